package lab

import (
	"container/heap"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// vnetHeader is what stands before each frame (PACKET_VNET_HDR): so frames that the kernel
	// has put together come in whole, and are cut again where they leave.
	vnetHeader = 10
	maxFrame   = vnetHeader + 1<<16
	// portQueue bounds the frames that wait for a port: as on a wire, what is more is lost.
	portQueue = 1 << 14
)

// Switch carries frames between the links of a star, each for as long as it would be under
// way. It is an Ethernet switch that learns addresses.
type Switch struct {
	ports []*port

	mu    sync.RWMutex
	table map[[6]byte]int
	cut   map[[2]int]bool

	lost    atomic.Uint64
	carried []atomic.Uint64 // bytes, from each port to each
	done    sync.WaitGroup
}

type port struct {
	away time.Duration
	file *os.File

	mu     sync.Mutex
	queue  frames
	count  uint64
	closed bool
	wake   chan struct{}
}

// frame is under way to a port.
type frame struct {
	due  time.Time
	seq  uint64
	data []byte
}

func newSwitch(hub *Host, away []time.Duration) (*Switch, error) {
	s := &Switch{table: map[[6]byte]int{}, cut: map[[2]int]bool{}}
	for i, d := range away {
		f, err := openPort(hub, portName(i))
		if err != nil {
			_ = s.Close()
			return nil, err
		}
		s.ports = append(s.ports, &port{away: d, file: f, wake: make(chan struct{}, 1)})
	}
	s.carried = make([]atomic.Uint64, len(away)*len(away))
	for i, p := range s.ports {
		s.done.Go(func() { s.read(i, p) })
		s.done.Go(func() { s.write(p) })
	}
	return s, nil
}

// openPort opens a socket that takes and sends whole frames on a link.
func openPort(hub *Host, link string) (*os.File, error) {
	fd := -1
	err := hub.Do(func() (err error) {
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		return err
	})
	if err == nil {
		err = errors.Join(
			unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1),
			unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20),
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 8<<20))
	}
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: 0x0300 /* ETH_P_ALL on the wire */, Ifindex: hub.Link(link).Index})
	}
	if err != nil {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
		return nil, fmt.Errorf("open the switch's port %s: %w", link, err)
	}
	return os.NewFile(uintptr(fd), link), nil
}

// Cut lets no frame pass from one host to another, or lets them pass again: a line that is
// broken in one direction.
func (s *Switch) Cut(from, to int, cut bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut[[2]int{from, to}] = cut
}

// Lost is how many frames found no room.
func (s *Switch) Lost() uint64 { return s.lost.Load() }

// Between is how many bytes of frames the first hosts have sent to each other.
func (s *Switch) Between(hosts int) (bytes uint64) {
	for i := range hosts {
		for k := range hosts {
			bytes += s.carried[i*len(s.ports)+k].Load()
		}
	}
	return bytes
}

// Close ends the switch. What is under way is lost.
func (s *Switch) Close() error {
	var errs []error
	for _, p := range s.ports {
		p.close()
		errs = append(errs, p.file.Close())
	}
	s.done.Wait()
	return errors.Join(errs...)
}

func (s *Switch) read(from int, p *port) {
	buf := make([]byte, maxFrame)
	for {
		n, err := p.file.Read(buf)
		switch {
		case errors.Is(err, unix.ENETDOWN):
			continue // the link goes up or down
		case err != nil:
			return
		case n < vnetHeader+14:
			continue
		}
		s.carry(from, append([]byte(nil), buf[:n]...))
	}
}

// carry sends a frame on its way, to one host or to all.
func (s *Switch) carry(from int, data []byte) {
	now := time.Now()
	to := [6]byte(data[vnetHeader:])
	source := [6]byte(data[vnetHeader+6:])
	s.mu.RLock()
	at, known := s.table[to]
	learned, was := s.table[source]
	s.mu.RUnlock()
	if !was || learned != from {
		s.mu.Lock()
		s.table[source] = from
		s.mu.Unlock()
	}
	for i := range s.ports {
		if i == from || known && i != at || s.severed(from, i) {
			continue
		}
		s.carried[from*len(s.ports)+i].Add(uint64(len(data) - vnetHeader))
		if !s.ports[i].push(frame{due: now.Add(s.ports[from].away + s.ports[i].away), data: data}) {
			s.lost.Add(1)
		}
	}
}

func (s *Switch) severed(from, to int) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.cut[[2]int{from, to}]
}

// write sends what has arrived.
func (s *Switch) write(p *port) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		f, wait, ok := p.pop()
		switch {
		case !ok:
			return
		case f.data != nil:
			if _, err := p.file.Write(f.data); err != nil && !errors.Is(err, os.ErrClosed) {
				s.lost.Add(1)
			}
			continue
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-p.wake:
		}
	}
}

func (p *port) push(f frame) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.queue) >= portQueue {
		return false
	}
	p.count++
	f.seq = p.count
	heap.Push(&p.queue, f)
	if p.queue[0].seq == f.seq {
		p.ring()
	}
	return true
}

func (p *port) ring() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// pop returns a frame that is there, or how long the next takes; ok is false at the end.
func (p *port) pop() (f frame, wait time.Duration, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return f, 0, false
	}
	if len(p.queue) == 0 {
		return f, time.Hour, true
	}
	if wait := time.Until(p.queue[0].due); wait > 0 {
		return f, wait, true
	}
	return heap.Pop(&p.queue).(frame), 0, true
}

func (p *port) close() {
	p.mu.Lock()
	p.closed, p.queue = true, nil
	p.mu.Unlock()
	p.ring()
}

// frames is a heap by the time of arrival; what left first arrives first.
type frames []frame

// Len is for container/heap, as the others are.
func (q frames) Len() int { return len(q) }

func (q frames) Less(i, j int) bool {
	return q[i].due.Before(q[j].due) || q[i].due.Equal(q[j].due) && q[i].seq < q[j].seq
}

// Swap exchanges two.
func (q frames) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push adds at the end.
func (q *frames) Push(x any) { *q = append(*q, x.(frame)) }

// Pop takes from the end.
func (q *frames) Pop() any {
	last := len(*q) - 1
	f := (*q)[last]
	(*q)[last] = frame{}
	*q = (*q)[:last]
	return f
}
