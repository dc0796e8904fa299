package userspace

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/relay"
)

const (
	eventsAtOnce = 128
	wakeIndex    = -1 // in an event: the loop is to look at closing, or is asked whether it turns
	settleSpins  = 100
	// behindTurns is after how many turns one after the other, in which a listening
	// port's socket had more than it may have taken, the loop looks how much waits.
	behindTurns = 8
	settleSleep = 20 * time.Microsecond
)

// loop is a thread that serves the sockets it watches. The kernel's list of ready
// sockets is level-triggered: a socket that had its turn and has more goes to the
// end of it, so none starves the others.
type loop struct {
	clock   func() int64
	pressed func() // nil: nobody is told
	reasons reasons
	epfd    int
	wakefd  int
	closing atomic.Bool
	done    chan struct{}
	turning chan struct{} // an answer to whoever asks whether it turns
	events  []unix.EpollEvent
	ready   []*socket
	batch   *batch

	// turns is odd while the loop is inside the flow table.
	turns atomic.Uint64
	// thread is the loop's own, so that a caller can tell whether it is the loop.
	thread   atomic.Int64
	handling *socket // whose handler runs; touched by thread only

	mu      sync.Mutex
	sockets []*socket
	unused  []int // indexes in sockets
}

func newLoop(clock func() int64) (_ *loop, err error) {
	l := &loop{
		clock: clock, epfd: -1, wakefd: -1, done: make(chan struct{}), turning: make(chan struct{}, 1),
		events: make([]unix.EpollEvent, eventsAtOnce),
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.free())
		}
	}()
	if l.batch, err = newBatch(); err != nil {
		return nil, err
	}
	if l.epfd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, err
	}
	if l.wakefd, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return nil, err
	}
	wake := unix.EpollEvent{Events: unix.EPOLLIN, Fd: wakeIndex}
	return l, unix.EpollCtl(l.epfd, unix.EPOLL_CTL_ADD, l.wakefd, &wake)
}

// run serves until the loop is closed. It keeps its thread: epoll_wait then costs no
// change of threads, and Close can tell whether it is called from a handler.
func (l *loop) run() {
	defer close(l.done)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	l.thread.Store(int64(unix.Gettid()))
	defer l.thread.Store(0)
	for !l.closing.Load() {
		l.turn(-1)
	}
}

// turn waits for sockets that have something, so many milliseconds or without end, and
// serves them.
func (l *loop) turn(wait int) {
	n, err := unix.EpollWait(l.epfd, l.events, wait)
	if err != nil {
		return // EINTR; nothing else can happen to descriptors of our own
	}
	l.collect(l.events[:n])
	l.enter()
	for i, s := range l.ready {
		l.serve(s)
		l.ready[i] = nil
	}
	l.flush()
	l.leave()
}

func (l *loop) collect(events []unix.EpollEvent) {
	l.ready = l.ready[:0]
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range events {
		switch at := events[i].Fd; {
		case at == wakeIndex:
			l.answer()
		case l.sockets[at] != nil:
			l.ready = append(l.ready, l.sockets[at])
		}
	}
}

// serve gives one socket its turn.
func (l *loop) serve(s *socket) {
	if l.batch.room() < perTurn {
		l.flush()
	}
	room := l.batch.next()
	n := s.receive(room)
	l.measure(s, n == len(room))
	if n == 0 {
		return
	}
	now := l.clock()
	first := l.batch.used
	l.batch.used += n
	for i := first; i < first+n; i++ {
		if why := l.datagram(s, i, now); why != bpf.ReasonForwarded {
			l.reasons.add(why, 1)
		}
	}
}

// measure notices that a listening port's socket has had more than its turn for a while,
// and that much waits there. A few clients that ask again as soon as they are answered
// keep a loop busy too, and nobody waits.
func (l *loop) measure(s *socket, more bool) {
	if !more || !s.listener.Load() {
		s.behind = 0
		return
	}
	if s.behind++; s.behind%behindTurns == 0 && l.pressed != nil && s.crowded() {
		l.pressed()
	}
}

// datagram decides about one. ReasonForwarded: it is queued and counted later.
func (l *loop) datagram(s *socket, i int, now int64) bpf.Reason {
	hit, why := s.port.match(&l.batch.from[i], l.batch.data(i), now)
	if hit.flow == nil {
		if why.Verdict() == bpf.Pass {
			l.deliver(s, i)
		}
		return why
	}
	return l.relay(hit, i, now)
}

// relay does what the flow says with the datagram in slot i.
func (l *loop) relay(hit found, i int, now int64) bpf.Reason {
	a, data, m := hit.action, hit.data, l.batch.meta(i)
	if m.HopLimit <= 1 && a.sink == nil {
		return bpf.ReasonHopLimit
	}
	if why := hit.flow.accept(data, now); why != bpf.ReasonForwarded {
		return why
	}
	if a.channel != 0 {
		data = l.batch.prepend(i, data, a.channel)
	}
	if a.sink != nil {
		a.sink(data)
		l.reasons.add(bpf.ReasonForwarded, 1)
		return bpf.ReasonForwarded
	}
	out := a.out.sock.Load()
	if out == nil {
		return bpf.ReasonNoDevice
	}
	m.HopLimit--
	l.batch.queue(out, data, a, m)
	return bpf.ReasonForwarded
}

// deliver calls the socket's handler, outside the flow table.
func (l *loop) deliver(s *socket, i int) {
	l.batch.flush(&l.reasons)
	l.leave()
	l.handling = s
	s.handle(relay.Datagram{
		Local:   s.local,
		Remote:  l.batch.from[i].addrPort(),
		Payload: l.batch.data(i),
		Meta:    l.batch.meta(i),
	})
	l.handling = nil
	l.enter()
}

// flush sends everything and so has all slots free again.
func (l *loop) flush() {
	l.batch.flush(&l.reasons)
	l.batch.used = 0
}

func (l *loop) enter() { l.turns.Add(1) }

func (l *loop) leave() { l.turns.Add(1) }

// settle returns when the loop was outside the flow table, or is this very thread,
// which then is in a handler and outside as well. A turn takes some 100 µs at most.
func (l *loop) settle() {
	began := l.turns.Load()
	if began&1 == 0 || l.isCaller() {
		return
	}
	for spins := 0; l.turns.Load() == began; spins++ {
		if spins < settleSpins {
			runtime.Gosched()
			continue
		}
		time.Sleep(settleSleep)
	}
}

func (l *loop) isCaller() bool { return l.thread.Load() == int64(unix.Gettid()) }

// load is how many sockets the loop watches.
func (l *loop) load() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.sockets) - len(l.unused)
}

func (l *loop) watch(s *socket) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.unused); n > 0 {
		s.index, l.unused = l.unused[n-1], l.unused[:n-1]
		l.sockets[s.index] = s
	} else {
		s.index = len(l.sockets)
		l.sockets = append(l.sockets, s)
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(s.index)}
	if err := unix.EpollCtl(l.epfd, unix.EPOLL_CTL_ADD, s.fd, &event); err != nil {
		l.forget(s)
		return fmt.Errorf("watch: %w", err)
	}
	return nil
}

// unwatch is called before the descriptor is closed.
func (l *loop) unwatch(s *socket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = unix.EpollCtl(l.epfd, unix.EPOLL_CTL_DEL, s.fd, nil) // closing does it as well
	l.forget(s)
}

func (l *loop) forget(s *socket) {
	l.sockets[s.index] = nil
	l.unused = append(l.unused, s.index)
}

// close ends the loop and waits for it.
func (l *loop) close() error {
	if l.closing.Swap(true) {
		return nil
	}
	err := l.wake()
	<-l.done
	return errors.Join(err, l.free())
}

func (l *loop) free() error {
	var errs []error
	for _, fd := range []int{l.wakefd, l.epfd} {
		if fd >= 0 {
			errs = append(errs, unix.Close(fd))
		}
	}
	if l.batch != nil {
		errs = append(errs, l.batch.close())
	}
	return errors.Join(errs...)
}
