package sdp

import (
	"net/netip"
	"strings"
	"testing"

	"turnpike.dev/turnpike/dataplane/rtp"
)

const audioOnly = "v=0\r\no=alice 1 1 IN IP4 10.1.1.1\r\ns=-\r\nc=IN IP4 10.1.1.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"

func ours(i int) (rtp.Ports, bool) {
	at := netip.MustParseAddr("198.51.100.1")
	return rtp.Ports{RTP: netip.AddrPortFrom(at, uint16(36000+2*i)), RTCP: netip.AddrPortFrom(at, uint16(36001+2*i))}, true
}

func TestRewriteAudio(t *testing.T) {
	s, err := Parse([]byte(audioOnly))
	if err != nil {
		t.Fatal(err)
	}
	o := &Origin{ID: 7, Addr: netip.MustParseAddr("198.51.100.1")}
	got := string(s.Rewrite(ours, o))
	want := "v=0\r\no=- 7 1 IN IP4 198.51.100.1\r\ns=-\r\nt=0 0\r\nm=audio 36000 RTP/AVP 0 101\r\nc=IN IP4 198.51.100.1\r\na=rtpmap:101 telephone-event/8000\r\n"
	if got != want {
		t.Errorf("got\n%s", got)
	}
	if strings.Contains(got, "10.1.1.1") {
		t.Error("the other party's address is in it")
	}
}
