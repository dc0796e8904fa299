package xdp

import (
	"bytes"
	"context"
	"encoding/binary"
	"flag"
	"os"
	"testing"
	"time"

	"pgregory.net/rapid"

	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/labtest"
)

// fuzzFlows are flows of every conversion that packets may hit.
func fuzzFlows() []relay.Flow {
	swap, plain := conversions[2].flow(4, 6), conversions[3].flow(6, 4)
	swap.Key.Channel, plain.Key.Remote = testChannel+1, addr("[fd00:0:0:2::2]:6001")
	return []relay.Flow{up(4, 6), up(6, 4), down(4, 4), down(6, 6), swap, plain}
}

// seeds are frames that do something.
func seeds(t testing.TB) [][]byte {
	t.Helper()
	var all [][]byte
	for _, f := range fuzzFlows() {
		for _, size := range []int{0, 1, 20} {
			d := packet(f, pattern(size))
			all = append(all, d.frame(t))
			d.payload, d.padding, d.noCheck = rtpPayload(1, 2, 3, size), 3, f.Key.Local.Addr().Is4()
			all = append(all, d.frame(t))
		}
	}
	all = append(all, stun.frame(t), hops(u4, 1).frame(t), bigger(up(4, 6), 1453).frame(t))
	return all
}

// mustInstallAll installs flows whose interfaces another process may have.
func (r *rig) mustInstallAll(t testing.TB, flows []relay.Flow) {
	t.Helper()
	for _, f := range flows {
		if _, err := r.Install(f, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
}

// Whatever comes, what is passed is untouched, and what is sent is well formed and as
// good as what came.
// ME-01
func FuzzProgram(f *testing.F) {
	if !fuzzInNode(f) {
		return
	}
	r := newFuzzRig(f)
	for _, s := range seeds(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, frame []byte) { r.judge(t, frame) })
}

// As many packets as a test has time for.
// ME-01
func TestProgramOnRandomPackets(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	r := newRig(t, Config{})
	r.mustInstallAll(t, fuzzFlows())
	all := seeds(t)
	rapid.Check(t, func(rt *rapid.T) {
		for range 40 {
			frame := bytes.Clone(rapid.SampledFrom(all).Draw(rt, "seed"))
			for range rapid.IntRange(0, 3).Draw(rt, "changes") {
				at := rapid.OneOf(rapid.IntRange(12, 60), rapid.IntRange(0, len(frame)-1)).Draw(rt, "at")
				if at < len(frame) {
					frame[at] = rapid.OneOf(rapid.Byte(), rapid.SampledFrom([]byte{0, 1, 0x40, 0x45, 0x60, 0xff})).Draw(rt, "byte")
				}
			}
			if cut := rapid.IntRange(-80, len(frame)-14).Draw(rt, "cut"); cut > 0 {
				frame = frame[:len(frame)-cut]
			}
			r.judge(rt, append(frame, make([]byte, rapid.IntRange(0, 3).Draw(rt, "trailer"))...))
		}
	})
}

// complainer is what testing.T and rapid.T have in common.
type complainer interface {
	Errorf(format string, args ...any)
	Helper()
}

func (r *rig) judge(t complainer, frame []byte) {
	t.Helper()
	if len(frame) < 14 || len(frame) > 3000 {
		return // the kernel does not run it
	}
	verdict, out, err := r.tryRun(r.s0, frame, 0)
	if err != nil {
		t.Errorf("run the program on %x: %v", frame, err)
		return
	}
	switch verdict {
	case xdpDrop:
	case xdpPass:
		if !bytes.Equal(frame, out) {
			t.Errorf("passed, but changed:\n%x\n%x", frame, out)
		}
	case xdpTX, xdpRedirect:
		if why := wrong(frame, out); why != "" {
			t.Errorf("%s:\n%x\n%x", why, frame, out)
		}
	default:
		t.Errorf("verdict %d for %x", verdict, frame)
	}
}

// wrong says what is wrong with a frame that was sent.
func wrong(in, out []byte) string {
	was, is := dissect(in), dissect(out)
	switch {
	case was.problem != "":
		return "what came was not to be relayed: " + was.problem
	case is.problem != "":
		return "what was sent is malformed: " + is.problem
	case is.hops != was.hops-1:
		return "the hop limit is wrong"
	case is.class != was.class:
		return "the traffic class is wrong"
	case was.unchecked && !is.ipv6 != is.unchecked:
		return "a missing checksum"
	case !was.unchecked && is.good != was.good:
		return "the checksum is not as good as it was"
	case was.unchecked && is.ipv6 && !is.good:
		return "the new checksum is bad"
	}
	return ""
}

// dissected is what a frame's headers say.
type dissected struct {
	ipv6, good, unchecked bool
	hops, class           byte
	problem               string
}

func dissect(frame []byte) (d dissected) {
	kind, ip := binary.BigEndian.Uint16(frame[12:]), frame[14:]
	if len(ip) < 28 {
		return dissected{problem: "short"}
	}
	var udp, pseudo []byte
	switch {
	case kind == 0x0800 && ip[0] == 0x45:
		total := int(binary.BigEndian.Uint16(ip[2:]))
		if total < 28 || total > len(ip) {
			return dissected{problem: "IPv4 length"}
		}
		d.hops, d.class = ip[8], ip[1]
		udp, pseudo = ip[20:total], ip[12:20]
		if ip[9] != 17 || ip[6]&0x3f != 0 || ip[7] != 0 {
			return dissected{problem: "not UDP, or a fragment"}
		}
	case kind == 0x86dd && ip[0]>>4 == 6 && len(ip) >= 48:
		length := int(binary.BigEndian.Uint16(ip[4:]))
		if length < 8 || length > len(ip)-40 {
			return dissected{problem: "IPv6 length"}
		}
		d.ipv6, d.hops, d.class = true, ip[7], ip[0]<<4|ip[1]>>4
		udp, pseudo = ip[40:40+length], ip[8:40]
		if ip[6] != 17 {
			return dissected{problem: "not UDP"}
		}
	default:
		return dissected{problem: "neither IPv4 nor IPv6"}
	}
	if int(binary.BigEndian.Uint16(udp[4:])) != len(udp) {
		return dissected{problem: "UDP length"}
	}
	d.unchecked = udp[6]|udp[7] == 0
	d.good = sum16(pseudo, []byte{0, 17, byte(len(udp) >> 8), byte(len(udp))}, udp) == 0xffff
	return d
}

// sum16 is the ones' complement sum of RFC 1071; all parts but the last are even.
func sum16(parts ...[]byte) uint16 {
	var sum uint32
	for _, p := range parts {
		for i, b := range p {
			sum += uint32(b) << (8 * (1 - i&1))
			sum = sum&0xffff + sum>>16
		}
	}
	return uint16(sum)
}

// fuzzInNode runs the fuzz target in the node's namespace of a lab, with the arguments
// of this process, and returns true there.
func fuzzInNode(f *testing.F) bool {
	f.Helper()
	if os.Getenv(inside) != "" {
		return true
	}
	l := labtest.New(f, lab.Options{})
	args := []string{"-test.run=^" + f.Name() + "$"}
	fuzzing := flag.Lookup("test.fuzz").Value.String() != ""
	if fuzzing {
		args = os.Args[1:]
	}
	cmd := l.Node.Command(context.Background(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), inside+"="+l.Name, "GORACE=atexit_sleep_ms=0")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		f.Fatalf("in the node's namespace: %v", err)
	}
	if fuzzing {
		f.SkipNow() // it was done there
	}
	f.Fuzz(func(*testing.T, []byte) {})
	return false
}

// newFuzzRig is a rig in the first process, and in a worker one that uses the links and
// sockets of the first.
func newFuzzRig(f *testing.F) *rig {
	f.Helper()
	if flag.Lookup("test.fuzzworker").Value.String() != "true" {
		r := newRig(f, Config{})
		r.mustInstallAll(f, fuzzFlows())
		return r
	}
	b, err := Open(Config{PinDir: pinDir(f), MaxFlows: 256})
	if err != nil {
		f.Fatal(err)
	}
	r := &rig{Backend: b, s0: deviceNamed(f, "s0"), s1: deviceNamed(f, "s1")}
	r.mustTellPorts(f)
	r.mustInstallAll(f, fuzzFlows())
	if err := r.Activate(); err != nil {
		f.Fatal(err)
	}
	return r
}
