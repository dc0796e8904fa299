package b2bua

import (
	"testing"

	"turnpike.dev/turnpike/signaling/sip/message"
)

// What is read here, besides what message and sdp read, comes from the wire as it likes.
func FuzzReaders(f *testing.F) {
	f.Add("a;to-tag=b;from-tag=c", "Replaces=a%3Bto-tag%3Db%3Bfrom-tag%3Dc&X=1", "ab30317f1a784dc48ff824d0d3715d86;remote=47755a9de7794ba387653f2099600ef2", "multipart/mixed;boundary=x", []byte("--x\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--x--"))
	f.Fuzz(func(t *testing.T, name, headers, id, kind string, body []byte) {
		if r, err := parseReplaces(name); err == nil {
			if again, err := parseReplaces(r.String()); err != nil || again != r {
				t.Errorf("%q reads back as %q, %v", r, again, err)
			}
		}
		replacesIn(headers)
		if local, remote, ok := parseSessionID(id); ok && (len(local) != 32 || len(remote) != 32) {
			t.Errorf("%q and %q are taken for UUIDs", local, remote)
		}
		m := message.NewRequest(message.Invite, message.URI{})
		m.SetBody(kind, body)
		m.Set("Privacy", name)
		privacyOf(m)
		_, _ = describe(m)
	})
}
