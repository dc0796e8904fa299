package endtoend_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket/pcapgo"
	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/cmd/turnpike/tryout"
	"turnpike.dev/turnpike/dataplane/capture"
	"turnpike.dev/turnpike/dataplane/capture/capturetest"
	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/nodetest"
)

// recorder is a `turnpike dataplane capture` that runs.
type recorder struct {
	cmd       *exec.Cmd
	path      string
	out, talk bytes.Buffer
}

// record starts a capture and returns when it runs.
func (n *node) record(t *testing.T, args ...string) *recorder {
	t.Helper()
	r := n.startRecord(t, args...)
	n.awaitProgram(t, "captured")
	return r
}

func (n *node) startRecord(t *testing.T, args ...string) *recorder {
	t.Helper()
	r := &recorder{path: filepath.Join(t.TempDir(), "capture.pcapng")}
	args = append([]string{"dataplane", "capture", "-w", r.path, "--state", n.State, "-o", "json"}, args...)
	r.cmd = exec.Command(n.Program, args...)
	r.cmd.Stdout, r.cmd.Stderr = &r.out, &r.talk
	r.cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if r.cmd.ProcessState == nil {
			_ = r.cmd.Process.Kill()
			_ = r.cmd.Wait()
		}
	})
	return r
}

// awaitProgram waits until a program of that name is on the interfaces.
func (n *node) awaitProgram(t *testing.T, name string) {
	t.Helper()
	nodetest.Eventually(t, 10*time.Second, "program "+name, func() error {
		d, err := n.API.Dataplane(t.Context())
		if err == nil && d.Program.Name != name {
			err = fmt.Errorf("it is %s", d.Program.Name)
		}
		return err
	})
}

// interrupt ends the capture as Ctrl-C does.
func (r *recorder) interrupt(t *testing.T) capture.Summary {
	t.Helper()
	if err := r.cmd.Process.Signal(unix.SIGINT); err != nil {
		t.Fatal(err)
	}
	return r.wait(t)
}

// wait returns what the capture says at its end.
func (r *recorder) wait(t *testing.T) (s capture.Summary) {
	t.Helper()
	if err := r.cmd.Wait(); err != nil {
		t.Fatalf("capture: %v\n%s", err, r.talk.String())
	}
	if err := json.Unmarshal(r.out.Bytes(), &s); err != nil {
		t.Fatalf("%v: %s", err, r.out.String())
	}
	return s
}

func (r *recorder) read(t *testing.T) []byte {
	t.Helper()
	file, err := os.ReadFile(r.path)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// stream is a relay of a real client to an echo.
func (n *node) stream(t *testing.T) *tryout.Stream {
	t.Helper()
	n.echo(t)
	var stream *tryout.Stream
	err := n.Lab.Client.Do(func() error {
		conn, err := tryout.Listen(netip.AddrPortFrom(n.Lab.ClientAddrs.V4[0], 0))
		if err != nil {
			return err
		}
		stream, err = tryout.Open(conn, n.server(), netip.AddrPortFrom(n.Lab.PeerAddrs.V4[0], echoPort), tryout.Credentials{User: user, Password: password, Realm: realm})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stream.Close() })
	if err := stream.Bind(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.awaitChannel(t, stream)
	return stream
}

// awaitChannel talks until the kernel carries everything: a client binds its channel when
// it has something to say.
func (n *node) awaitChannel(t *testing.T, stream *tryout.Stream) {
	t.Helper()
	carried := func() (up, down uint64) { return n.list(t)[0].Packets() }
	nodetest.Eventually(t, 10*time.Second, "the kernel carries the stream", func() error {
		const some = 20
		up, down := carried()
		r, err := stream.Talk(t.Context(), some, 0)
		if err != nil || r.Lost() > 0 {
			return errors.Join(err, fmt.Errorf("%d lost", r.Lost()))
		}
		if u, d := carried(); u-up != some || d-down != some || n.list(t)[0].Path != "xdp" {
			return errors.New("not yet")
		}
		return nil
	})
}

func isChannelData(payload []byte) bool { return len(payload) > 4 && payload[0]&0xc0 == 0x40 }

func isRTP(payload []byte) bool { return len(payload) == 172 && payload[0] == 0x80 }

// The frames of a capture are those that client and peer sent and received, byte by byte.
func TestCaptureIsWhatWentOverTheWires(t *testing.T) {
	nodetest.Built(t)
	t.Parallel()
	n := newNode(t, lab.Options{}, file{})
	stream := n.stream(t)
	rec := n.record(t, "--user", user, "--snaplen", "1514")
	atClient, atPeer := newTap(t, n.Lab.Client), newTap(t, n.Lab.Peer)
	const packets = 300
	if r, err := stream.Talk(t.Context(), packets, time.Millisecond); err != nil || r.Lost() > 0 {
		t.Fatalf("%d lost, %v", r.Lost(), err)
	}
	wire := map[string][][]byte{
		"s0 received up":   atClient.settled(t, packets, true, isChannelData),
		"s1 sent up":       atPeer.settled(t, packets, false, isRTP),
		"s1 received down": atPeer.settled(t, packets, true, isRTP),
		"s0 sent down":     atClient.settled(t, packets, false, isChannelData),
	}
	s := rec.interrupt(t)
	if s.Ended != capture.EndedByRequest || s.RingFull+s.RateCapped+s.Unwritten != 0 {
		t.Errorf("%s", s)
	}
	if diff := cmp.Diff(wire, rec.sides(t)); diff != "" {
		t.Errorf("(-wire +file):\n%.3000s", diff)
	}
}

// sides are the frames of media in the file, by where they were seen.
func (r *recorder) sides(t *testing.T) map[string][][]byte {
	t.Helper()
	got := map[string][][]byte{}
	for _, f := range capturetest.Read(t, r.read(t)).Frames {
		if p := udpPayload(f.Data); f.Verdict == "redirect" && p != nil {
			where := fmt.Sprintf("%s %s %s", f.Interface, f.Side, f.Direction)
			got[where] = append(got[where], f.Data)
			if f.User != user || f.Length != len(f.Data) {
				t.Errorf("%+v", f)
			}
		}
	}
	return got
}

// Relays that a chosen user opens during the capture are in it, over IPv6 as well: what
// the file has is what coturn's client and its peer sent and received.
// ME-04
func TestCaptureOfRelaysThatCome(t *testing.T) {
	nodetest.Built(t)
	for _, run := range []coturnRun{
		{name: "IPv6", args: []string{"-c", "-x"}, peer6: true, node6: true},
		{name: "IPv6 client, IPv4 relays", args: []string{"-c", "-X"}, node6: true},
		{name: "client to client", args: []string{"-c", "-y"}},
	} {
		t.Run(run.name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, lab.Options{}, file{})
			n.echo(t)
			rec := n.record(t, "--user", user, "--snaplen", "1514")
			atClient, atPeer := newTap(t, n.Lab.Client), newTap(t, n.Lab.Peer)
			said, err := n.Lab.Client.Command(t.Context(), "turnutils_uclient", run.arguments(n)...).CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, last(said))
			}
			if sent, lost := totals(t, said); sent == 0 || lost > 0 {
				t.Errorf("%d of %d packets lost", lost, sent)
			}
			rec.interrupt(t)
			any := func([]byte) bool { return true }
			wire := map[string][][]byte{
				"s0 received up": atClient.media(true, isChannelData), "s1 sent up": atPeer.media(false, any),
				"s1 received down": atPeer.media(true, any), "s0 sent down": atClient.media(false, isChannelData),
			}
			if strings.Contains(run.name, "client to client") { // there and back by one interface
				wire["s0 sent up"] = wire["s0 sent down"]
			}
			total := 0
			for where, frames := range rec.sides(t) {
				total += len(frames)
				if i := notAmong(frames, wire[where]); i >= 0 {
					t.Errorf("%s: frame %d of the file was never on the wire:\n% x", where, i, frames[i])
				}
			}
			// Each client's first packets come before the capture knows of its relay.
			if total < coturnClients*100 {
				t.Errorf("the file has %d frames only", total)
			}
		})
	}
}

// notAmong returns the first of frames that wire does not have in the same order, or -1.
func notAmong(frames, wire [][]byte) int {
	for i, f := range frames {
		at := slices.IndexFunc(wire, func(w []byte) bool { return bytes.Equal(w, f) })
		if at < 0 {
			return i
		}
		wire = wire[at+1:]
	}
	return -1
}

// A capture of everything at 100,000 packets/s: no media is lost, and each packet is in
// the file or counted as missing.
// ME-01
func TestCaptureUnderLoad(t *testing.T) {
	nodetest.Built(t)
	const rate, relays = 110_000, 50 // some less with pauses
	s := newSite(t, newNode(t, lab.Options{}, file{}), relays)
	rec := s.record(t, "--user", user, "--rate", "1000000", "--bytes", "1000000000")
	traffic := startTraffic(t, rate, s)
	s.flowing(t)
	nodetest.Eventually(t, time.Minute, "traffic", func() error {
		if traffic.sent.Load() < 2*rate {
			return errors.New("not enough yet")
		}
		return nil
	})
	sent := traffic.end(t)[0]
	s.noLoss(t, sent)
	sum0 := rec.interrupt(t)
	t.Logf("%.0f packets/s: %s", traffic.rate(), sum0)
	if total := sum(sent); sum0.Packets+sum0.RingFull+sum0.RateCapped+sum0.Unwritten != total || sum0.Frames != 2*sum0.Packets {
		t.Errorf("%d packets were sent, the capture tells of %s", total, sum0)
	}
	r, err := pcapgo.NewNgReader(bytes.NewReader(rec.read(t)), pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	frames := uint64(0)
	for ; ; frames += 2 {
		in, _, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			break
		}
		in = bytes.Clone(in)
		out, _, outErr := r.ReadPacketData()
		if err = errors.Join(err, outErr); err != nil {
			t.Fatal(err)
		}
		if !sameRTP(in, out) {
			t.Fatalf("frames %d and %d are not two sides of a packet:\n% x\n% x", frames, frames+1, in, out)
		}
	}
	if frames != sum0.Frames {
		t.Errorf("%d frames in the file: %s", frames, sum0)
	}
}

// sameRTP tells whether two frames carry the same media, one of them as ChannelData.
func sameRTP(in, out []byte) bool {
	a, b := udpPayload(in), udpPayload(out)
	if isChannelData(a) {
		a = a[4:]
	}
	if isChannelData(b) {
		b = b[4:]
	}
	n := min(len(a), len(b))
	return n >= 12 && bytes.Equal(a[:n], b[:n])
}

// However a capture ends, the relay's own program comes back.
func TestCaptureEnds(t *testing.T) {
	nodetest.Built(t)
	t.Parallel()
	n := newNode(t, lab.Options{}, file{})
	stream := n.stream(t)
	id := fmt.Sprint(n.list(t)[0].ID)
	talk := func(t *testing.T) {
		if r, err := stream.Talk(t.Context(), 50, time.Millisecond); err != nil || r.Lost() > 0 {
			t.Errorf("%d lost, %v", r.Lost(), err)
		}
	}
	t.Run("by packets", func(t *testing.T) {
		rec := n.record(t, "--relay", id, "--packets", "20")
		talk(t)
		if s := rec.wait(t); s.Ended != capture.EndedByPackets || s.Packets != 20 {
			t.Errorf("%s", s)
		}
		n.awaitProgram(t, "turnpike")
	})
	t.Run("by time", func(t *testing.T) {
		rec := n.startRecord(t, "--relay", id, "--duration", "300ms")
		if s := rec.wait(t); s.Ended != capture.EndedByTime {
			t.Errorf("%s", s)
		}
		n.awaitProgram(t, "turnpike")
	})
	t.Run("by another", func(t *testing.T) {
		rec := n.record(t, "--relay", id)
		n.Command(t, 1, "dataplane", "capture", "--relay", id, "-w", "-") // one at a time
		n.Command(t, 0, "dataplane", "capture", "--stop")
		if s := rec.wait(t); s.Ended != capture.EndedByRequest {
			t.Errorf("%s", s)
		}
		n.awaitProgram(t, "turnpike")
	})
	t.Run("who asked is killed", func(t *testing.T) {
		rec := n.record(t, "--relay", id)
		if err := rec.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = rec.cmd.Wait()
		n.awaitProgram(t, "turnpike")
		talk(t)
	})
	t.Run("no such relay", func(t *testing.T) {
		n.Command(t, 1, "dataplane", "capture", "--relay", "99", "-w", "-")
	})
	t.Run("the node is killed", func(t *testing.T) {
		rec := n.record(t, "--relay", id)
		n.End(t, unix.SIGKILL)
		talk(t) // media goes on
		if err := rec.cmd.Wait(); err == nil {
			t.Error("the capture says that all is well")
		}
		n.Start(t)
		n.awaitProgram(t, "turnpike")
		talk(t)
	})
}

// Where there is no fast path, nothing is captured and the reason is said.
func TestCaptureNeedsTheFastPath(t *testing.T) {
	nodetest.Built(t)
	t.Parallel()
	n := newNode(t, lab.Options{}, file{more: "dataplane: {mode: userspace}"})
	rec := n.startRecord(t, "--user", user)
	if err := rec.cmd.Wait(); err == nil || !strings.Contains(rec.talk.String(), "dataplane.mode is userspace") {
		t.Errorf("%v: %s", err, rec.talk.String())
	}
}
