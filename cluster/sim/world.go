// Package sim runs a whole cluster in one goroutine, from a seed, against everything that
// networks, disks, clocks and operators do.
//
// It exists because the cores of the cluster are wrong only in orders of events that no
// table test thinks of. A world has machines, each with a clock that drifts and a disk that
// may lose its last write; between them messages are lost, doubled, overtaken and cut off one
// way or in a bridge; processes are paused, crash and start. The same seed gives the same run, and one
// that failed is kept and run again for ever. After the chaos all is healed and the
// cluster has to converge.
//
// What runs on a machine is the node's own code: the pure cores. A broken variant is that
// code behind a wrapper that does one thing wrong; if the simulator does not find it, the
// simulator is what is broken.
package sim

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"time"
)

// Process is what runs on a machine until it crashes. now is the machine's own clock.
type Process interface {
	// Tick comes every Every of the program.
	Tick(now time.Duration)
	Receive(now time.Duration, from int, message any)
}

// Program is a cluster under test: what each machine runs, what operators do to it, and
// what must hold.
type Program interface {
	// Start starts the process of a machine, with what is on its disk.
	Start(m *Machine) Process
	// Operate does something to a machine that runs, as operators and endpoints do.
	Operate(m *Machine)
	// Check says what does not hold that must always hold, after something happened on a machine.
	Check(m *Machine) error
	// Quiet is called when the world was healed: nothing is done to it any more.
	Quiet()
	// Converged says what does not hold some time after that.
	Converged() error
	// Every is how often processes tick.
	Every() time.Duration
}

// World is a cluster's surroundings.
type World struct {
	Rand     *rand.Rand
	Machines []*Machine
	// Counts is how often things happened, rare ones above all.
	Counts map[string]int

	program Program
	now     time.Duration
	queue   queue
	order   uint64
	weather weather
	cut     [][]bool          // from, to
	latest  [][]time.Duration // when the last message between them arrives
	healed  bool
	trace   []string
}

// weather is how bad a run is: rates in thousandths.
type weather struct {
	loss, double     int
	overtake         bool
	delay            time.Duration // at most, above the ordinary
	drift            bool
	crash, pause     int
	cut, operate     int
	torn             bool
	between, outages time.Duration // of disturbances, and how long they last at most
}

// NewWorld returns a world of some machines that all start.
func NewWorld(seed uint64, size int, program func(*World) Program) *World {
	w := &World{Rand: rand.New(rand.NewPCG(seed, uint64(size))), Counts: map[string]int{}}
	w.weather = w.forecast()
	for i := range size {
		w.Machines = append(w.Machines, newMachine(w, i))
		w.cut = append(w.cut, make([]bool, size))
		w.latest = append(w.latest, make([]time.Duration, size))
	}
	w.program = program(w)
	for _, m := range w.Machines {
		w.after(w.upTo(time.Second), nil, m.Start)
	}
	w.after(w.upTo(w.weather.between), nil, w.disturb)
	w.after(w.upTo(time.Second), nil, w.operate)
	return w
}

// forecast gives each run weather of its own, so that some have one trouble only, much of it.
func (w *World) forecast() weather {
	r := w.Rand
	some := func(most int) int {
		if r.IntN(2) == 0 {
			return 0
		}
		return r.IntN(most)
	}
	between := 3 * time.Second
	if r.IntN(3) == 0 {
		between = 20 * time.Second // so that what is cut stays so
	}
	return weather{
		loss: some(200), double: some(200), overtake: r.IntN(2) == 0,
		delay: time.Duration(some(500)) * time.Millisecond, drift: r.IntN(2) == 0,
		crash: some(100), pause: some(100), cut: some(100), operate: 1 + r.IntN(100), torn: r.IntN(2) == 0,
		between: 200*time.Millisecond + time.Duration(r.Int64N(int64(between))),
		outages: time.Duration(1+r.IntN(15)) * time.Second,
	}
}

// Run lets so many things happen. The error is the first thing that does not hold.
func (w *World) Run(steps int) error {
	for range steps {
		if err := w.step(); err != nil {
			return err
		}
	}
	return nil
}

// Settle heals the world, waits and says whether the cluster has converged. If calm is not 0 it does not wait any
// longer when that has been so for calm.
func (w *World) Settle(within, calm time.Duration) error {
	w.heal()
	since, next := w.now, w.now
	for end := w.now + within; w.now < end; {
		if err := w.step(); err != nil {
			return err
		}
		if calm == 0 || w.now < next {
			continue
		}
		next = w.now + time.Second
		if !w.converged() {
			since = w.now
		} else if w.now-since > calm {
			return nil
		}
	}
	if err := w.program.Converged(); err != nil {
		return fmt.Errorf("%s after all was healed: %w", within, err)
	}
	return nil
}

// converged says that everybody runs, and that all is as it should be.
func (w *World) converged() bool {
	for _, m := range w.Machines {
		if !m.Runs() {
			return false
		}
	}
	return w.program.Converged() == nil
}

func (w *World) step() error {
	h := heap.Pop(&w.queue).(*happening)
	w.now = max(w.now, h.at)
	if m := h.on; m != nil {
		if h.life != m.life {
			return nil // of a process that is gone
		}
		if m.pausedTo > w.now {
			m.held = append(m.held, h)
			return nil
		}
	}
	h.do()
	if h.on == nil {
		return nil
	}
	return w.program.Check(h.on)
}

// Now is the world's own time, that no machine knows.
func (w *World) Now() time.Duration { return w.now }

// Healed says whether the chaos is over.
func (w *World) Healed() bool { return w.healed }

// Chance is true so many times in a thousand.
func (w *World) Chance(thousandths int) bool { return w.Rand.IntN(1000) < thousandths }

// Count notes that something happened.
func (w *World) Count(what string) { w.Counts[what]++ }

// Logf keeps a line that is shown if the run fails.
func (w *World) Logf(format string, args ...any) {
	if len(w.trace) >= 400 {
		w.trace = w.trace[200:]
	}
	w.trace = append(w.trace, fmt.Sprintf("%10s ", w.now.Round(time.Millisecond))+fmt.Sprintf(format, args...))
}

// Trace returns the last lines.
func (w *World) Trace() []string { return w.trace }

func (w *World) upTo(d time.Duration) time.Duration {
	return time.Duration(w.Rand.Int64N(int64(d) + 1))
}

// After does something later, whatever lives then.
func (w *World) After(d time.Duration, do func()) { w.after(d, nil, do) }

// happening is something that will happen, to a life of a machine or to the world.
type happening struct {
	at    time.Duration
	order uint64
	on    *Machine
	life  int
	do    func()
}

func (w *World) after(d time.Duration, on *Machine, do func()) {
	h := &happening{at: w.now + d, order: w.order, on: on, do: do}
	if on != nil {
		h.life = on.life
	}
	w.order++
	heap.Push(&w.queue, h)
}

type queue []*happening

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].order < q[j].order
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(*happening)) }
func (q *queue) Pop() any {
	last := len(*q) - 1
	h := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return h
}
