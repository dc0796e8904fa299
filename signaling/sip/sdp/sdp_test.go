package sdp

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/dataplane/rtp"
)

var outside = netip.MustParseAddr("198.51.100.1")

const audioOnly = "v=0\r\no=alice 1 1 IN IP4 10.1.1.1\r\ns=-\r\nc=IN IP4 10.1.1.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"

func ours(i int) (rtp.Ports, bool) {
	return rtp.Ports{RTP: netip.AddrPortFrom(outside, uint16(36000+2*i)), RTCP: netip.AddrPortFrom(outside, uint16(36001+2*i))}, true
}

func parse(t *testing.T, text string) *Session {
	t.Helper()
	s, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestParseRefuses(t *testing.T) {
	const head = "v=0\no=- 1 1 IN IP4 10.1.1.1\ns=-\n"
	for name, test := range map[string]struct {
		text string
		want error
	}{
		"nothing":              {"", ErrSyntax},
		"no version":           {"o=- 1 1 IN IP4 10.1.1.1\n", ErrSyntax},
		"other version":        {"v=1\no=- 1 1 IN IP4 10.1.1.1\n", ErrSyntax},
		"no origin":            {"v=0\ns=-\nt=0 0\n", ErrSyntax},
		"origin of five":       {"v=0\no=- 1 1 IN IP4\ns=-\n", ErrSyntax},
		"no line":              {head + "audio\n", ErrSyntax},
		"line of one byte":     {head + "m\n", ErrSyntax},
		"empty line inside":    {head + "\nm=audio 1 RTP/AVP 0\n", ErrSyntax},
		"NUL":                  {head + "i=\x00\n", ErrSyntax},
		"carriage return":      {head + "i=a\rb=c\n", ErrSyntax},
		"upper case":           {head + "M=audio 1 RTP/AVP 0\n", ErrSyntax},
		"port of letters":      {head + "m=audio x RTP/AVP 0\n", ErrSyntax},
		"port too large":       {head + "m=audio 65536 RTP/AVP 0\n", ErrSyntax},
		"media line too short": {head + "m=audio 1\n", ErrSyntax},
		"too large":            {head + "i=" + strings.Repeat("x", MaxSize), ErrSize},
		"too many lines":       {head + strings.Repeat("a=x\n", MaxLines), ErrSize},
		"too many streams":     {head + strings.Repeat("m=audio 2 RTP/AVP 0\n", MaxStreams+1), ErrStreams},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Parse([]byte(test.text)); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

// TestNothingOfTheOtherParty holds the rule that no address of a party is left, wherever
// the party wrote it.
func TestNothingOfTheOtherParty(t *testing.T) {
	for name, line := range map[string]string{
		"attribute nobody knows": "a=x-where:10.1.1.1",
		"address with port":      "a=x-where:IP4:10.1.1.1:5060",
		"address in a word":      "a=x-where:a10.1.1.1b",
		"another of its own":     "a=x-where:172.16.0.9",
		"IPv6":                   "a=x-where:[2001:db8::9]:5060",
		"IPv6 without brackets":  "a=x-where:udp:2001:DB8:0:0::9",
		"IPv4 in IPv6":           "a=x-where:::ffff:10.1.1.1",
		"e-mail":                 "e=alice@10.1.1.1",
		"URI":                    "u=http://10.1.1.1/",
		"information":            "i=at 10.1.1.1",
		"key":                    "k=uri:http://10.1.1.1/",
		"bandwidth":              "b=X-10.1.1.1:5",
		"source filter":          "a=source-filter: incl IN IP4 * 10.1.1.1",
		"capability":             "a=ccap:1 IN IP4 10.1.1.1",
		"candidate with a name":  "a=candidate:1 1 UDP 1 host.local 5000 typ host",
		"second origin":          "o=- 1 1 IN IP4 10.1.1.1",
		"second connection":      "c=IN IP4 10.1.1.1",
	} {
		t.Run(name, func(t *testing.T) {
			for _, text := range []string{
				strings.Replace(audioOnly, "t=0 0", line+"\r\nt=0 0", 1), // in the session
				audioOnly + line + "\r\n",                                // in the stream
			} {
				s := parse(t, text)
				got := string(s.Rewrite(ours, &Origin{ID: 7, Addr: outside}))
				if strings.Contains(got, strings.TrimSpace(line)) || strings.Contains(got, "10.1.1.1") || strings.Contains(got, "alice") {
					t.Errorf("it is still there:\n%s", got)
				}
				if !strings.Contains(got, "m=audio 36000 RTP/AVP 0 101") {
					t.Errorf("the stream is not:\n%s", got)
				}
			}
		})
	}
}

func TestWhatLooksLikeAnAddressStays(t *testing.T) {
	for _, line := range []string{
		"a=fingerprint:sha-256 19:E2:1C:3B:4B:9F:81:E6:B8:5C:F4:A5:A8:D8:73:04:BB:05:2F:70:9F:04:A9:0E:05:E9:26:33:E8:70:88:A2",
		"a=fingerprint:md5 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B",
		"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20|1:32",
		"a=fmtp:97 profile-level-id=42801f;sprop-parameter-sets=Z0LAHtkDxWhAAAADAEAAAAwDxYuS,aMuMsg==",
		"a=x-version:1.2.3",
		"a=x-none:0.0.0.0",
		"a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid",
	} {
		got := string(parse(t, audioOnly+line+"\r\n").Rewrite(ours, &Origin{ID: 7, Addr: outside}))
		if !strings.Contains(got, line) {
			t.Errorf("%s is not there", line)
		}
	}
}

func TestOriginCountsChanges(t *testing.T) {
	o := NewOrigin(outside)
	first := string(parse(t, audioOnly).Rewrite(ours, o))
	again := string(parse(t, strings.Replace(audioOnly, "alice 1 1", "alice 1 9", 1)).Rewrite(ours, o))
	if diff := cmp.Diff(first, again); diff != "" {
		t.Error("the same streams give another description:", diff)
	}
	held := string(parse(t, audioOnly+"a=sendonly\r\n").Rewrite(ours, o))
	if o.Version != 2 || !strings.Contains(held, " 2 IN IP4 ") {
		t.Errorf("version %d after one change:\n%s", o.Version, held)
	}
	direct := string(parse(t, audioOnly).Direct(o))
	if want := strings.Replace(audioOnly, "o=alice 1 1 IN IP4 10.1.1.1", strings.SplitN(direct, "\r\n", 3)[1], 1); direct != want {
		t.Errorf("media goes directly, but\n%s", direct)
	}
}

// A stream whose ports are given in another family, or that is refused, keeps its place.
func TestFamiliesAndRejection(t *testing.T) {
	text := audioOnly + "m=video 4002 RTP/AVP 97\r\na=rtpmap:97 H264/90000\r\nm=x-new 4004 RTP/AVP 0\r\n"
	six := netip.MustParseAddr("2001:db8::1")
	got := string(parse(t, text).Rewrite(func(i int) (rtp.Ports, bool) {
		return rtp.Ports{RTP: netip.AddrPortFrom(six, uint16(36000+10*i)), RTCP: netip.AddrPortFrom(six, 50001)}, i != 1
	}, &Origin{ID: 7, Version: 0, Addr: six}))
	want := "v=0\r\no=- 7 1 IN IP6 2001:db8::1\r\ns=-\r\nt=0 0\r\n" +
		"m=audio 36000 RTP/AVP 0 101\r\nc=IN IP6 2001:db8::1\r\na=rtpmap:101 telephone-event/8000\r\na=rtcp:50001 IN IP6 2001:db8::1\r\n" +
		"m=video 0 RTP/AVP 97\r\nc=IN IP6 2001:db8::1\r\n" +
		"m=x-new 36020 RTP/AVP 0\r\nc=IN IP6 2001:db8::1\r\na=rtcp:50001 IN IP6 2001:db8::1\r\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAnswered(t *testing.T) {
	offer := parse(t, audioOnly+"a=rtcp-mux\r\n").Streams()[0]
	for name, test := range map[string]struct {
		answer string
		mux    bool
		gone   bool
	}{
		"both share the port": {audioOnly + "a=rtcp-mux\r\n", true, false},
		"the answer does not": {audioOnly, false, false},
		"the answer says no":  {strings.Replace(audioOnly, "audio 4000", "audio 0", 1), false, true},
	} {
		t.Run(name, func(t *testing.T) {
			answer := parse(t, test.answer).Streams()[0]
			if got := offer.Answered(&answer); got.Mux != test.mux || got.RTP.IsValid() == test.gone {
				t.Errorf("the offerer's end is %+v", got)
			}
		})
	}
}

// What endpoints leave out or get wrong, and can be mended.
func TestLoose(t *testing.T) {
	for name, text := range map[string]string{
		"no name, no time":           "v=0\no=- 1 1 IN IP4 10.1.1.1\nc=IN IP4 10.1.1.1\nm=audio 4000 RTP/AVP 0\n",
		"no time before attributes":  "v=0\no=- 1 1 IN IP4 10.1.1.1\ns=\nc=IN IP4 10.1.1.1\na=x\nm=audio 4000 RTP/AVP 0\n",
		"spaces in the user's name":  "v=0\no=John Q Public 1 1 IN IP4 10.1.1.1\ns=-\nc=IN IP4 10.1.1.1\nt=0 0\nm=audio 4000 RTP/AVP 0\n",
		"empty lines at the end":     "v=0\no=- 1 1 IN IP4 10.1.1.1\ns=-\nc=IN IP4 10.1.1.1\nt=0 0\nm=audio 4000 RTP/AVP 0\r\n\r\n\r\n",
		"spaces at the ends of line": "v=0 \no=- 1 1 IN IP4 10.1.1.1 \ns= \nc=IN IP4 10.1.1.1 \nt=0 0 \nm=audio 4000 RTP/AVP 0 \n",
	} {
		got := string(parse(t, text).Rewrite(ours, &Origin{ID: 7, Addr: outside}))
		got = strings.Replace(got, "a=x\r\n", "", 1)
		want := "v=0\r\no=- 7 1 IN IP4 198.51.100.1\r\ns=-\r\nt=0 0\r\nm=audio 36000 RTP/AVP 0\r\nc=IN IP4 198.51.100.1\r\n"
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestUsable(t *testing.T) {
	if !parse(t, audioOnly).Usable() {
		t.Error("audio alone is not usable")
	}
	for _, text := range []string{
		"v=0\no=- 1 1 IN IP4 10.1.1.1\ns=-\n",
		strings.Replace(audioOnly, "audio 4000 RTP/AVP", "audio 0 RTP/AVP", 1),
		strings.Replace(audioOnly, "RTP/AVP", "TCP/RTP/AVP", 1),
	} {
		if parse(t, text).Usable() {
			t.Errorf("usable:\n%s", text)
		}
	}
}

func TestBandwidth(t *testing.T) {
	s := parse(t, strings.Replace(audioOnly, "t=0 0", "b=CT:1000\r\nb=AS:512\r\nt=0 0", 1)+"b=TIAS:64001\r\nb=AS:80\r\nb=RS:0\r\n")
	if kbps, _ := s.Asked(); kbps != 65 || s.Streams()[0].Kbps != 65 || !s.Over(511) || s.Over(512) {
		t.Errorf("session %d, stream %d kbps", kbps, s.Streams()[0].Kbps)
	}
}

func BenchmarkParseAndRewrite(b *testing.B) {
	text := []byte(audioOnly + "m=video 4002 RTP/AVP 97\r\na=rtpmap:97 H264/90000\r\na=fmtp:97 profile-level-id=42801f\r\na=rtcp-fb:* nack pli\r\nb=TIAS:1920000\r\n")
	o := NewOrigin(outside)
	b.ReportAllocs()
	for b.Loop() {
		s, err := Parse(text)
		if err != nil {
			b.Fatal(err)
		}
		s.Rewrite(ours, o)
	}
}
