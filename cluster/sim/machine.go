package sim

import (
	"container/heap"
	"time"
)

// Machine is where a process runs: a clock, a disk and an end of the network.
type Machine struct {
	Index int
	// Process is what runs; nil: nothing does.
	Process Process
	// Starts counts the starts of processes, Boots those of the machine.
	Starts, Boots int

	world    *World
	life     int
	pausedTo time.Duration
	held     []*happening // what waits for the end of the pause
	booted   time.Duration
	rate     int64 // of its clock, in millionths
	disk     map[string]any
	writing  []write
}

type write struct {
	name  string
	value any
	done  func()
}

func newMachine(w *World, i int) *Machine {
	m := &Machine{Index: i, world: w, rate: 1_000_000, disk: map[string]any{}}
	if w.weather.drift {
		m.rate += w.Rand.Int64N(100_000) - 50_000
	}
	return m
}

// Now is the machine's own clock: since its boot, sleep and pauses included.
func (m *Machine) Now() time.Duration {
	return (m.world.now - m.booted) / 1000 * time.Duration(m.rate) / 1000
}

// Runs says whether there is a process, and it is not paused.
func (m *Machine) Runs() bool { return m.Process != nil && m.pausedTo <= m.world.now }

// Start starts a process, if none runs.
func (m *Machine) Start() {
	if m.Process != nil {
		return
	}
	if m.Boots == 0 || m.world.Chance(300) {
		m.Boots++
		m.booted = m.world.now
	}
	m.Starts++
	m.life++
	m.world.Logf("%d starts", m.Index)
	m.Process = m.world.program.Start(m)
	m.tick()
}

func (m *Machine) tick() {
	every := m.world.program.Every()
	m.world.after(every+m.world.upTo(every/10), m, func() {
		m.Process.Tick(m.Now())
		m.tick()
	})
}

// Crash ends the process. What it was writing is on the disk or is not, never a part of it: the
// files are written so.
func (m *Machine) Crash() {
	if m.Process == nil {
		return
	}
	m.life++
	m.Process, m.pausedTo, m.held = nil, 0, nil
	for _, w := range m.writing {
		if !m.world.weather.torn || m.world.Chance(500) {
			m.world.Count("torn write lost")
			break // what came after it is not there either
		}
		m.world.Count("torn write kept")
		m.disk[w.name] = w.value
	}
	m.writing = nil
	m.world.Count("crash")
	m.world.Logf("%d crashes", m.Index)
}

func (m *Machine) pause(d time.Duration) {
	if m.Process != nil && m.pausedTo <= m.world.now {
		m.pausedTo = m.world.now + d
		m.world.Count("pause")
		m.world.Logf("%d is paused for %s", m.Index, d)
		m.world.after(d, nil, m.resume)
	}
}

// resume lets happen what has waited, in its order.
func (m *Machine) resume() {
	if m.pausedTo > m.world.now {
		return // paused again meanwhile
	}
	m.pausedTo = 0
	for _, h := range m.held {
		h.at = m.world.now
		heap.Push(&m.world.queue, h)
	}
	m.held = nil
}

// Write makes a file durable and then calls done, if the process still lives.
func (m *Machine) Write(name string, value any, done func()) {
	m.writing = append(m.writing, write{name, value, done})
	m.world.after(m.world.upTo(20*time.Millisecond), m, func() {
		// Writes become durable in their order, and each is said to be when it is.
		w := m.writing[0]
		m.disk[w.name] = w.value
		m.writing = m.writing[1:]
		if w.done != nil {
			w.done()
		}
	})
}

// Put makes a file durable before it returns.
func (m *Machine) Put(name string, value any) { m.disk[name] = value }

// Read returns a file; nil if there is none.
func (m *Machine) Read(name string) any { return m.disk[name] }

// Send sends a message that must not be changed afterwards.
func (m *Machine) Send(to int, message any) { m.world.send(m.Index, to, message) }

// After calls do later, if the process still lives.
func (m *Machine) After(d time.Duration, do func()) { m.world.after(d, m, do) }

const latency = 40 * time.Millisecond

func (w *World) send(from, to int, message any) {
	if from == to || to < 0 || to >= len(w.Machines) {
		return
	}
	copies := 1
	if !w.healed && w.Chance(w.weather.double) {
		copies = 2
		w.Count("message doubled")
	}
	for range copies {
		w.carry(from, to, message)
	}
}

func (w *World) carry(from, to int, message any) {
	if w.cut[from][to] {
		w.Count("message cut off")
		return
	}
	if !w.healed && w.Chance(w.weather.loss) {
		w.Count("message lost")
		return
	}
	at := w.now + latency + w.upTo(5*time.Millisecond)
	if !w.healed {
		at += w.upTo(w.weather.delay)
	}
	if at < w.latest[from][to] {
		if w.weather.overtake && !w.healed {
			w.Count("message overtaken")
		} else {
			at = w.latest[from][to]
		}
	}
	w.latest[from][to] = max(w.latest[from][to], at)
	m := w.Machines[to]
	w.after(at-w.now, nil, func() { w.deliver(from, m, message) })
}

// deliver hands over what arrives now. What arrives at a process that is paused waits in its
// socket, what arrives at none is lost.
func (w *World) deliver(from int, m *Machine, message any) {
	if m.Process == nil {
		return
	}
	w.after(0, m, func() { m.Process.Receive(m.Now(), from, message) })
}
