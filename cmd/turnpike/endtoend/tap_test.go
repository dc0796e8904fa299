package endtoend_test

import (
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/nodetest"
)

// tap sees what a host's sockets send and receive on a link, as tcpdump would.
type tap struct {
	fd     *os.File
	ended  chan struct{}
	mu     sync.Mutex
	frames map[bool][][]byte // by whether they went out
}

// newTap listens on a host's first link until the test ends.
func newTap(t *testing.T, h *lab.Host) *tap {
	t.Helper()
	tp := &tap{ended: make(chan struct{}), frames: map[bool][][]byte{}}
	err := h.Do(func() error {
		all := int(uint16(unix.ETH_P_ALL)<<8 | unix.ETH_P_ALL>>8)
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, all)
		if err != nil {
			return err
		}
		tp.fd = os.NewFile(uintptr(fd), "tap")
		return unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: uint16(all), Ifindex: h.Links[0].Index})
	})
	if err != nil {
		t.Fatal(err)
	}
	go tp.listen()
	t.Cleanup(func() {
		_ = tp.fd.Close()
		<-tp.ended
	})
	return tp
}

func (tp *tap) listen() {
	defer close(tp.ended)
	raw, err := tp.fd.SyscallConn()
	if err != nil {
		return
	}
	buf := make([]byte, 1<<16)
	for {
		var n int
		var from unix.Sockaddr
		readErr := raw.Read(func(fd uintptr) bool {
			n, from, err = unix.Recvfrom(int(fd), buf, 0)
			return !errors.Is(err, unix.EAGAIN)
		})
		if readErr != nil || err != nil {
			return
		}
		out := from.(*unix.SockaddrLinklayer).Pkttype == unix.PACKET_OUTGOING
		tp.mu.Lock()
		tp.frames[out] = append(tp.frames[out], append([]byte(nil), buf[:n]...))
		tp.mu.Unlock()
	}
}

// media returns the frames of one direction that carry UDP and pass keep, which is given
// the UDP payload.
func (tp *tap) media(out bool, keep func(payload []byte) bool) [][]byte {
	tp.mu.Lock()
	defer tp.mu.Unlock()
	return media(tp.frames[out], keep)
}

func media(frames [][]byte, keep func(payload []byte) bool) (kept [][]byte) {
	for _, f := range frames {
		if payload := udpPayload(f); payload != nil && keep(payload) {
			kept = append(kept, f)
		}
	}
	return kept
}

// udpPayload returns the payload of a frame of UDP without options, or nil.
func udpPayload(frame []byte) []byte {
	at := 14 + 20 + 8
	switch {
	case len(frame) < at:
		return nil
	case frame[12] == 0x86 && frame[13] == 0xdd && frame[14+6] == unix.IPPROTO_UDP:
		at = 14 + 40 + 8
	case frame[12] != 8 || frame[13] != 0 || frame[14+9] != unix.IPPROTO_UDP:
		return nil
	}
	if len(frame) < at {
		return nil
	}
	return frame[at:]
}

// settled waits until the tap has seen a number of frames.
func (tp *tap) settled(t *testing.T, want int, out bool, keep func([]byte) bool) [][]byte {
	t.Helper()
	var got [][]byte
	nodetest.Eventually(t, 5*time.Second, "the tap", func() error {
		if got = tp.media(out, keep); len(got) < want {
			return errors.New("frames are missing")
		}
		return nil
	})
	return got
}
