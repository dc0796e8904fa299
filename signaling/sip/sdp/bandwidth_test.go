package sdp

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"turnpike.dev/turnpike/dataplane/rtp"
)

// session writes a description: its lines behind s=, and those of its streams.
func session(head string, streams ...string) string {
	text := "v=0\r\no=- 1 1 IN IP4 10.1.1.1\r\ns=-\r\nc=IN IP4 10.1.1.1\r\n"
	for l := range strings.FieldsSeq(head) {
		text += l + "\r\n"
	}
	text += "t=0 0\r\n"
	for i, st := range streams {
		kind, rest, _ := strings.Cut(st, " ")
		port := 4000 + 10*i
		if kind[0] == '-' {
			kind, port = kind[1:], 0
		}
		text += fmt.Sprintf("m=%s %d RTP/AVP 96\r\n", kind, port)
		for l := range strings.FieldsSeq(rest) {
			text += l + "\r\n"
		}
	}
	return text
}

// lines are those of a description that matter here.
func lines(s *Session) string {
	var out []string
	add := func(section []line) {
		for _, l := range section {
			if l.kind == 'b' || l.kind == 't' || l.kind == 'm' {
				out = append(out, string(l.kind)+"="+strings.TrimSuffix(l.value, " RTP/AVP 96"))
			}
		}
	}
	add(s.head)
	for _, section := range s.media {
		add(section)
	}
	return strings.Join(out, " ")
}

// BW-03: what is asked for is what the session says, or its streams.
func TestAsked(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		kbps uint32
		all  bool
	}{
		"nothing said":                      {session("", "audio", "video"), 0, false},
		"audio alone says nothing":          {session("", "audio"), 0, false},
		"no streams":                        {session(""), 0, false},
		"session":                           {session("b=AS:512", "audio", "video"), 512, true},
		"session by TIAS":                   {session("b=TIAS:512001", "audio"), 513, true},
		"AS before CT":                      {session("b=AS:512 b=CT:1000", "audio"), 512, true},
		"TIAS before AS":                    {session("b=TIAS:500000 b=AS:512", "audio"), 500, true},
		"CT alone":                          {session("b=CT:1000", "audio"), 1000, true},
		"streams":                           {session("", "audio b=AS:80", "video b=TIAS:1920000"), 2000, true},
		"streams are less than the session": {session("b=AS:6000", "audio b=AS:80", "video b=AS:1920"), 2000, true},
		"session is less than the streams":  {session("b=AS:1920", "audio b=AS:80", "video b=AS:1920", "video b=AS:1920"), 1920, true},
		"some streams and the session":      {session("b=AS:1920", "audio b=AS:80", "video"), 1920, true},
		"rejected streams do not count":     {session("", "audio b=AS:80", "-video b=AS:1920"), 80, true},
		"audio without a figure":            {session("", "audio", "video b=AS:512"), 576, true},
		"pictures without a figure":         {session("", "audio b=AS:80", "video"), 80, false},
		"what is no media asks for nothing": {session("", "audio b=AS:80", "application"), 80, true},
		"no media may come":                 {session("b=AS:0", "audio"), 0, true},
		"not a number":                      {session("b=AS:fast b=TIAS:-1 b=AS", "audio"), 0, false},
		"a number too large":                {session("b=AS:9999999999", "audio"), 4294967295, true},
		"others are not bandwidth":          {session("b=RS:800 b=RR:2400 b=X-YZ:128", "audio"), 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			if kbps, all := parse(t, test.text).Asked(); kbps != test.kbps || all != test.all {
				t.Errorf("asked %d %v, want %d %v", kbps, all, test.kbps, test.all)
			}
		})
	}
}

// BW-03: downspeeding rewrites what both parties are told.
func TestLimit(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		kbps uint32
		want string
	}{
		"the session": {
			session("b=CT:4000 b=AS:2000 b=TIAS:1900000", "audio"), 768,
			"b=CT:768 b=AS:768 b=TIAS:768000 t=0 0 m=audio 4000",
		},
		"less than the grant stays": {
			session("b=AS:512", "audio b=AS:80", "video b=TIAS:400000"), 768,
			"b=AS:512 t=0 0 m=audio 4000 b=AS:80 m=video 4010 b=TIAS:400000",
		},
		"sound first, pictures what is left": {
			session("b=AS:2000", "audio b=AS:64", "video b=AS:1920 b=TIAS:1900000"), 768,
			"b=AS:768 t=0 0 m=audio 4000 b=AS:64 m=video 4010 b=AS:704 b=TIAS:704000",
		},
		"pictures share": {
			session("", "audio b=AS:64", "video b=AS:1920", "video b=AS:960"), 664,
			"b=AS:664 t=0 0 m=audio 4000 b=AS:64 m=video 4010 b=AS:400 m=video 4020 b=AS:200",
		},
		"nothing is said": {
			session("", "audio", "video", "application"), 384,
			"b=AS:384 t=0 0 m=audio 4000 m=video 4010 b=AS:320 m=application 4020",
		},
		"two that say nothing": {
			session("", "video", "video"), 384,
			"b=AS:384 t=0 0 m=video 4000 b=AS:192 m=video 4010 b=AS:192",
		},
		"too little for the telephone": {
			session("", "audio"), 32,
			"b=AS:32 t=0 0 m=audio 4000 b=AS:32",
		},
		"nothing is left for pictures": {
			session("", "audio b=AS:80", "video b=AS:1920", "video"), 64,
			"b=AS:64 t=0 0 m=audio 4000 b=AS:64 m=video 0 m=video 0",
		},
		"rejected ones are left alone": {
			session("", "-video b=AS:1920", "audio b=AS:128"), 100,
			"b=AS:100 t=0 0 m=video 0 b=AS:1920 m=audio 4010 b=AS:100",
		},
		"what nobody can read is replaced": {
			session("b=AS:fast", "audio b=TIAS:"), 100,
			"b=AS:100 t=0 0 m=audio 4000 b=TIAS:64000",
		},
		"others stay": {
			session("b=RS:800", "audio b=RR:2400"), 100,
			"b=AS:100 b=RS:800 t=0 0 m=audio 4000 b=RR:2400",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := parse(t, test.text)
			before := lines(s)
			if diff := cmp.Diff(test.want, lines(s.Limit(test.kbps))); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(before, lines(s)); diff != "" {
				t.Error("the description itself has changed:", diff)
			}
		})
	}
}

// New lines have their place: behind c=, before the attributes (RFC 8866 section 9).
func TestLimitKeepsTheOrder(t *testing.T) {
	text := "v=0\r\no=- 1 1 IN IP4 10.1.1.1\r\ns=-\r\nc=IN IP4 10.1.1.1\r\nt=0 0\r\na=x\r\n" +
		"m=video 4000 RTP/AVP 96\r\ni=slides\r\nc=IN IP4 10.1.1.1\r\nk=prompt\r\na=rtpmap:96 H264/90000\r\n"
	got := string(parse(t, text).Limit(384).Rewrite(ours, &Origin{ID: 7, Addr: outside}))
	want := "v=0\r\no=- 7 1 IN IP4 198.51.100.1\r\ns=-\r\nb=AS:384\r\nt=0 0\r\na=x\r\n" +
		"m=video 36000 RTP/AVP 96\r\ni=slides\r\nc=IN IP4 198.51.100.1\r\nb=AS:384\r\nk=prompt\r\na=rtpmap:96 H264/90000\r\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	direct := string(parse(t, text).Limit(384).Direct(&Origin{ID: 7, Addr: outside}))
	if !strings.Contains(direct, "c=IN IP4 10.1.1.1\r\nb=AS:384\r\nt=0 0\r\n") || !strings.Contains(direct, "c=IN IP4 10.1.1.1\r\nb=AS:384\r\nk=prompt\r\n") {
		t.Errorf("directly:\n%s", direct)
	}
}

func TestKeep(t *testing.T) {
	s := parse(t, session("", "audio", "video c=IN a=mid:v b=AS:500", "-video"))
	if s.Keep(func(int) bool { return true }) != s {
		t.Error("all are kept, but the description is another one")
	}
	got := s.Keep(func(i int) bool { return i == 0 })
	if st := got.Streams(); !st[1].Rejected || st[0].Rejected || len(st) != 3 {
		t.Errorf("streams %+v", st)
	}
	for name, text := range map[string][]byte{
		"rewritten": got.Rewrite(func(i int) (rtp.Ports, bool) { return ours(i) }, &Origin{ID: 7, Addr: outside}),
		"direct":    got.Direct(&Origin{ID: 7, Addr: outside}),
	} {
		if !strings.Contains(string(text), "m=video 0 RTP/AVP 96\r\n") || strings.Contains(string(text), "b=AS:500") {
			t.Errorf("%s:\n%s", name, text)
		}
	}
}

// told is the most that a description lets the other party send, by each of its lines.
func told(s *Session) (sum uint64, most uint32) {
	all := func(section []line) (kbps uint32) {
		for _, l := range section {
			if modifier, n, ok := readBandwidth(l.value); l.kind == 'b' && ok && ranks[modifier] > 0 {
				kbps = max(kbps, n)
			}
		}
		return kbps
	}
	for i, section := range s.media {
		if !s.streams[i].Rejected {
			sum += uint64(all(section))
		}
	}
	return sum, all(s.head)
}

// BW-03: whatever is asked for, neither the session nor the sum of its streams is told more
// than the grant, and what is written can be read again.
func TestLimitNeverTellsMore(t *testing.T) {
	figures := []string{"", "b=AS:0", "b=AS:1", "b=AS:64", "b=AS:1920", "b=TIAS:1920001", "b=CT:99999999", "b=AS:junk", "b=AS:2000 b=TIAS:64000", "b=AS:18446744073709551615"}
	kinds := []string{"audio", "video", "video a=content:slides", "application", "image", "-video"}
	rapid.Check(t, func(t *rapid.T) {
		var streams []string
		for range rapid.IntRange(0, 5).Draw(t, "streams") {
			streams = append(streams, rapid.SampledFrom(kinds).Draw(t, "kind")+" "+rapid.SampledFrom(figures).Draw(t, "figure"))
		}
		s, err := Parse([]byte(session(rapid.SampledFrom(figures).Draw(t, "session"), streams...)))
		if err != nil {
			t.Fatal(err)
		}
		kbps := rapid.OneOf(rapid.Uint32Range(1, 3000), rapid.Uint32()).Draw(t, "kbps")
		limited := s.Limit(kbps)
		sum, head := told(limited)
		if sum > uint64(kbps) || head > kbps || limited.Over(kbps) {
			t.Fatalf("%d is granted, %d in the session and %d in streams told: %s", kbps, head, sum, lines(limited))
		}
		for i, st := range limited.Streams() {
			if was := s.Streams()[i]; st.Rejected && !was.Rejected && !was.moves() {
				t.Fatalf("stream %d is rejected: %s", i, lines(limited))
			}
		}
		if again := limited.Limit(kbps); lines(again) != lines(limited) {
			t.Fatalf("again it is\n%s, before\n%s", lines(again), lines(limited))
		}
		if _, err := Parse(limited.Direct(&Origin{ID: 7, Addr: outside})); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzLimit gives any bytes: what is limited tells nobody more, and can be read again.
func FuzzLimit(f *testing.F) {
	f.Add([]byte(session("b=AS:2000", "audio b=AS:64", "video b=TIAS:1900000")), uint32(768))
	f.Add([]byte("v=0\no=- 1 1 IN IP4 1.1.1.1\nb=AS:1\nb=AS:99\nm=video 1 RTP/AVP 1\nb=CT:7"), uint32(3))
	f.Fuzz(func(t *testing.T, data []byte, kbps uint32) {
		s, err := Parse(data)
		if err != nil {
			return
		}
		limited := s.Limit(kbps)
		if sum, head := told(limited); sum > uint64(kbps) || head > kbps {
			t.Errorf("%d is granted, %d in the session and %d in streams told: %s", kbps, head, sum, lines(limited))
		}
		again, err := Parse(limited.Direct(&Origin{ID: 7, Addr: outside}))
		if err != nil || len(again.Streams()) != len(s.Streams()) {
			t.Errorf("cannot be read again: %v", err)
		}
	})
}

func BenchmarkLimit(b *testing.B) {
	s, err := Parse([]byte(session("b=AS:2000", "audio b=AS:64", "video b=TIAS:1900000")))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		s.Limit(768)
	}
}
