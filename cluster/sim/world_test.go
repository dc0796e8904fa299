package sim_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"turnpike.dev/turnpike/cluster/sim"
)

// echoes is a program that counts what arrives and keeps the count on its disk.
type echoes struct {
	w     *sim.World
	fails bool
}

type echo struct {
	e *echoes
	m *sim.Machine
	n int
}

func (e *echoes) Start(m *sim.Machine) sim.Process {
	n, _ := m.Read("n").(int)
	return &echo{e, m, n}
}
func (e *echoes) Operate(*sim.Machine)     { e.w.Count("operated") }
func (e *echoes) Check(*sim.Machine) error { return nil }
func (e *echoes) Quiet()                   {}
func (e *echoes) Every() time.Duration     { return 100 * time.Millisecond }

func (e *echoes) Converged() error {
	for _, m := range e.w.Machines {
		if m.Process.(*echo).n == 0 || e.fails {
			return errors.New("nothing arrived")
		}
	}
	return nil
}

func (p *echo) Tick(time.Duration) {
	for i := range p.e.w.Machines {
		p.m.Send(i, "hello")
	}
}

func (p *echo) Receive(_ time.Duration, from int, _ any) {
	p.n++
	p.m.Write("n", p.n, func() { p.e.w.Logf("%d: %d from %d is durable", p.m.Index, p.n, from) })
}

// The same seed gives the same run, another one another.
func TestSameSeedSameRun(t *testing.T) {
	run := func(seed uint64) string {
		w := sim.NewWorld(seed, 4, func(w *sim.World) sim.Program { return &echoes{w: w} })
		if err := errors.Join(w.Run(3000), w.Settle(5*time.Second, 0)); err != nil {
			t.Fatal(err)
		}
		return strings.Join(w.Trace(), "\n")
	}
	once, again, other := run(7), run(7), run(8)
	if once != again {
		t.Error("two runs of one seed differ")
	}
	if once == other {
		t.Error("two seeds give the same run")
	}
}

// All that a world can do happens in a few runs, and a program that never converges is caught.
func TestTroubles(t *testing.T) {
	trial := sim.Trial{
		Name: "echoes", Sizes: []int{2, 4}, Seeds: 15, Steps: 2000, Settle: 5 * time.Second,
		New: func(w *sim.World) sim.Program { return &echoes{w: w} },
		Must: []string{
			"crash", "pause", "torn write lost", "torn write kept", "message lost", "message doubled", "message overtaken", "message cut off",
			"cut one way", "cut both ways", "cut off alone", "cut in a bridge", "cut in two", "operated",
		},
	}
	trial.Run(t)
	trial.New = func(w *sim.World) sim.Program { return &echoes{w: w, fails: true} }
	trial.Catch(t)
}
