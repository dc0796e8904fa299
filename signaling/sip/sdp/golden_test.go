package sdp

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	pion "github.com/pion/sdp/v3"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestGolden shows, for each testdata/*.in, its streams and what the other party gets.
// Another parser has to read that.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.in")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			in, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s, err := Parse(in)
			if err != nil {
				t.Fatal(err)
			}
			o := &Origin{ID: 7, Addr: netip.MustParseAddr("198.51.100.1")}
			written := s.Rewrite(ours, o)
			// It does not know RFC 6466.
			read := strings.NewReplacer("m=image", "m=application", "udptl", "RTP/AVP").Replace(string(written))
			if err := new(pion.SessionDescription).UnmarshalString(read); err != nil {
				t.Errorf("another parser does not read it: %v", err)
			}
			got := show(s) + "\n" + strings.ReplaceAll(string(written), "\r\n", "\n")
			golden := strings.TrimSuffix(file, ".in") + ".out"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func show(s *Session) string {
	var b strings.Builder
	for i, st := range s.Streams() {
		r := st.Remote
		fmt.Fprintf(&b, "%d %s %s label=%q content=%q kbps=%d rejected=%v supported=%v ice=%v secure=%v %s\n",
			i, st.Kind, st.Codec, st.Label, st.Content, st.Kbps, st.Rejected, st.Supported, st.ICE, st.Secure, st.Why)
		fmt.Fprintf(&b, "  rtp=%v rtcp=%v mux=%v send=%v receive=%v clock=%d ssrcs=%v\n", r.RTP, r.RTCP, r.Mux, r.Send, r.Receive, r.ClockHz, r.SSRCs)
	}
	return b.String()
}
