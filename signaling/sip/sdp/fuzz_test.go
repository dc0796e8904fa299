package sdp

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"turnpike.dev/turnpike/dataplane/rtp"
)

// FuzzRewrite gives any bytes: nothing panics, and what is written can be read again, has
// our addresses in the streams, no other address anywhere, and the streams in their places.
func FuzzRewrite(f *testing.F) {
	files, err := filepath.Glob("testdata/*.in")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("v=0\no=- 1 1 IN IP4 10.0.0.1\nm=a 1 UDP 1.2.3.4\na=x:1.1.1.1\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Parse(data)
		if err != nil {
			return
		}
		written := s.Rewrite(func(i int) (rtp.Ports, bool) {
			if !s.Streams()[i].Usable() {
				t.Errorf("stream %d is asked for", i)
			}
			return ours(i)
		}, &Origin{ID: 7, Addr: outside})
		again, err := Parse(written)
		if err != nil {
			t.Fatalf("cannot be read again: %v\n%q", err, written)
		}
		if len(again.Streams()) != len(s.Streams()) {
			t.Fatalf("%d streams became %d", len(s.Streams()), len(again.Streams()))
		}
		for i := range again.Streams() {
			port := uint16(0)
			if s.Streams()[i].Usable() {
				port = uint16(36000 + 2*i)
			}
			got := again.Streams()[i].Remote.RTP
			if port == 0 && !again.Streams()[i].Rejected || port != 0 && got != netip.AddrPortFrom(outside, port) {
				t.Errorf("stream %d is at %v, want port %d\n%s", i, got, port, written)
			}
		}
		if text := strings.ReplaceAll(string(written), outside.String(), "ours"); tells(text) {
			t.Errorf("an address is left:\n%s", text)
		}
		if other, err := Parse(s.Direct(&Origin{ID: 7, Addr: outside})); err != nil || len(other.Streams()) != len(s.Streams()) {
			t.Errorf("what goes directly cannot be read again: %v", err)
		}
	})
}
