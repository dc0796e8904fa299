package xdp

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// capture keeps frames for tshark, which has no part in how they were made.
type capture struct {
	frames bytes.Buffer // pcapng
	n      int
}

// Blocks of a pcapng file (draft-ietf-opsawg-pcapng section 4).
const (
	sectionHeader        = 0x0a0d0d0a
	interfaceDescription = 1
	enhancedPacket       = 6
	linkTypeEthernet     = 1
)

func newCapture() *capture {
	c := &capture{}
	c.block(sectionHeader, word(0x1a2b3c4d), word(1), word(1<<32-1), word(1<<32-1)) // version 1.0, length unknown
	c.block(interfaceDescription, word(linkTypeEthernet), word(0))
	return c
}

func word(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }

func (c *capture) block(kind uint32, parts ...[]byte) {
	body := slices.Concat(parts...)
	body = append(body, make([]byte, -len(body)&3)...)
	size := word(uint32(len(body) + 12))
	c.frames.Write(slices.Concat(word(kind), size, body, size))
}

func (c *capture) add(frame []byte) {
	size := word(uint32(len(frame)))
	c.block(enhancedPacket, word(0), word(0), word(0), size, size, frame)
	c.n++
}

// referee has tshark check every checksum and every length of the frames, and returns
// what it finds wrong.
func (c *capture) referee(t *testing.T) (wrong []string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "frames.pcapng")
	if err := os.WriteFile(path, c.frames.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("tshark", "-n", "-r", path,
		"-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE",
		"-T", "fields", "-E", "separator=,", "-e", "frame.number", "-e", "ip.checksum.status",
		"-e", "udp.checksum.status", "-e", "udp.checksum", "-e", "_ws.malformed", "-e", "udp.length.bad").Output()
	if err != nil {
		t.Fatalf("tshark (apt-get install tshark): %v", err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != c.n {
		t.Fatalf("tshark saw %d frames of %d", len(lines), c.n)
	}
	for _, line := range lines {
		if !isGood(strings.Split(line, ",")) {
			wrong = append(wrong, line)
		}
	}
	return wrong
}

// isGood takes frame number, states of the checksums (1: good), UDP checksum, what is
// malformed, and what is wrong with the UDP length.
func isGood(f []string) bool {
	ipGood := f[1] == "1" || f[1] == "" // IPv6 has none
	udpGood := f[2] == "1" || f[3] == "0x0000" && f[1] != ""
	return ipGood && udpGood && f[4] == "" && f[5] == ""
}

func TestRefereeSeesWhatIsWrong(t *testing.T) {
	good := packet(down(4, 4), pattern(20))
	none := good
	none.noCheck = true
	six := packet(down(6, 6), pattern(20))
	c := newCapture()
	for _, d := range []datagram{good, none, six} {
		c.add(d.frame(t))
		broken := d.frame(t)
		broken[d.udpAt()+5]++ // UDP length
		c.add(broken)
		broken = d.frame(t)
		broken[14+8]++ // TTL; for IPv6 a byte of the address
		c.add(broken)
		broken = d.frame(t)
		broken[d.payloadAt()]++
		c.add(broken)
	}
	var numbers []string
	for _, line := range c.referee(t) {
		number, _, _ := strings.Cut(line, ",")
		numbers = append(numbers, number)
	}
	// A payload without a checksum can be anything.
	if diff := cmp.Diff([]string{"2", "3", "4", "6", "7", "10", "11", "12"}, numbers); diff != "" {
		t.Errorf("wrong frames (-want +got):\n%s", diff)
	}
}
