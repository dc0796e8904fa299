package calls

import (
	"bytes"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// conversation is a call from a phone over UDP to one over TLS, forked to a third.
func conversation() Ladder {
	begin := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	node, alice := netip.MustParseAddrPort("192.0.2.1:5060"), netip.MustParseAddrPort("192.0.2.10:5062")
	node6, bob := netip.MustParseAddrPort("[2001:db8::1]:5060"), netip.MustParseAddrPort("[2001:db8::b]:49152")
	carol := netip.MustParseAddrPort("198.51.100.3:5060")
	sdp := "v=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:SECRET\r\n"
	text := func(first, body string) string {
		return fmt.Sprintf("%s\r\nVia: SIP/2.0/UDP 192.0.2.10:5062;branch=z9hG4bKx\r\nCall-ID: c1\r\nCSeq: 1 INVITE\r\nFrom: <sip:alice@example.test>;tag=1\r\nTo: <sip:bob@example.test>\r\nAuthorization: Digest response=\"SECRET\"\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s", first, len(body), body)
	}
	l := Ladder{Call: Call{Serial: "0b7c1a52-3d4e-4f60-8a7b-1c2d3e4f5061", Started: begin}}
	add := func(ms int, local, remote netip.AddrPort, transport string, sent bool, first, body string) {
		l.Messages = append(l.Messages, Message{At: begin.Add(time.Duration(ms) * time.Millisecond), Local: local, Remote: remote, Transport: transport, Sent: sent, Data: Redact([]byte(text(first, body)))})
	}
	add(0, node, alice, "udp", false, "INVITE sip:bob@example.test SIP/2.0", sdp)
	add(1, node, alice, "udp", true, "SIP/2.0 100 Trying", "")
	add(2, node6, bob, "tls", true, "INVITE sip:bob@[2001:db8::b]:49152 SIP/2.0", sdp)
	add(3, node, carol, "tcp", true, "INVITE sip:bob@198.51.100.3 SIP/2.0", sdp)
	add(200, node6, bob, "tls", false, "SIP/2.0 180 Ringing", "")
	add(201, node, alice, "udp", true, "SIP/2.0 180 Ringing", "")
	add(2500, node, carol, "tcp", false, "SIP/2.0 481 Call/Transaction Does Not Exist At All", "")
	add(3000, node6, bob, "tls", false, "SIP/2.0 200 OK", sdp)
	l.LeftOut, l.LeftOutAt = 3, 7
	return l
}

func TestPicture(t *testing.T) {
	golden(t, "picture.txt", Picture(conversation(), false))
	golden(t, "picture_messages.txt", Picture(conversation(), true))
	if got := Picture(Ladder{Messages: []Message{{Data: []byte("\x1b[2J\x00")}, {}}}, true); strings.ContainsAny(got, "\x1b\x00") {
		t.Errorf("control characters got through: %q", got)
	}
}

// TestExport has tshark read the headers that are made up.
func TestExport(t *testing.T) {
	var file bytes.Buffer
	l := conversation()
	l.Messages = append(l.Messages, Message{At: l.Call.Started.Add(4 * time.Second), Data: bytes.Repeat([]byte("x"), 70000)}) // nothing is known of it
	if err := WritePCAP(&file, l, "test"); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(file.Bytes(), []byte("SECRET")) {
		t.Error("a secret is in the file")
	}
	name := filepath.Join(t.TempDir(), "call.pcapng")
	if err := os.WriteFile(name, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("tshark", "-r", name, "-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-d", "udp.port==49152,sip",
		"-T", "fields", "-E", "separator=|", "-e", "frame.time_relative", "-e", "ip.src", "-e", "ip.dst", "-e", "ipv6.src", "-e", "ipv6.dst", "-e", "udp.srcport", "-e", "udp.dstport",
		"-e", "ip.checksum.status", "-e", "udp.checksum.status", "-e", "sip.Method", "-e", "sip.Status-Code", "-e", "frame.comment", "-e", "_ws.malformed")
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tshark: %v\n%s", err, said.String())
	}
	golden(t, "tshark.txt", string(out))
}
