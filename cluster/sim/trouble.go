package sim

import (
	"fmt"
	"time"
)

// disturb does something bad now and then, until the world is healed.
func (w *World) disturb() {
	if w.healed {
		return
	}
	m := w.Machines[w.Rand.IntN(len(w.Machines))]
	if w.Chance(w.weather.crash * 10) {
		w.Restart(m)
	}
	if w.Chance(w.weather.pause * 10) {
		m.pause(w.upTo(w.weather.outages))
	}
	if w.Chance(w.weather.cut * 10) {
		w.sever(m.Index)
	}
	w.after(w.upTo(w.weather.between), nil, w.disturb)
}

// sever cuts lines, in one of the ways that networks break, and mends those that were cut before it.
func (w *World) sever(i int) {
	size := len(w.Machines)
	w.mend()
	j := (i + 1 + w.Rand.IntN(max(size-1, 1))) % size
	switch w.Rand.IntN(5) {
	case 0:
		w.Count("cut one way")
		w.cut[i][j] = true
	case 1:
		w.Count("cut both ways")
		w.cut[i][j], w.cut[j][i] = true, true
	case 2:
		w.Count("cut off alone")
		for k := range size {
			w.cut[i][k], w.cut[k][i] = true, true
		}
	case 3:
		w.Count("cut in a bridge")
		w.split(i)
	case 4:
		w.Count("cut in two")
		w.split(-1)
	}
	w.Logf("cut now: %s", w.cuts())
}

func (w *World) cuts() string {
	out := ""
	for a, row := range w.cut {
		for b, cut := range row {
			if cut && a != b {
				out += fmt.Sprintf(" %d→%d", a, b)
			}
		}
	}
	return out
}

// split cuts the cluster in two; bridge, if there is one, reaches both sides.
func (w *World) split(bridge int) {
	side := make([]bool, len(w.Machines))
	for k := range side {
		side[k] = w.Rand.IntN(2) == 0
	}
	for a := range side {
		for b := range side {
			w.cut[a][b] = side[a] != side[b] && a != bridge && b != bridge
		}
	}
}

func (w *World) mend() {
	for _, row := range w.cut {
		clear(row)
	}
}

// Lossy says whether messages are lost now and then on whole lines.
func (w *World) Lossy() bool { return w.weather.loss > 0 && !w.healed }

// Restart ends a process and starts another some time later.
func (w *World) Restart(m *Machine) {
	m.Crash()
	outage := w.upTo(w.weather.outages)
	if w.healed {
		outage = 0 // what was asked for before
	}
	w.after(outage, nil, m.Start)
}

// Reaches says whether messages get from one machine to another.
func (w *World) Reaches(from, to int) bool { return from == to || !w.cut[from][to] }

// operate lets somebody do something, until the world is healed.
func (w *World) operate() {
	if w.healed {
		return
	}
	if m := w.Machines[w.Rand.IntN(len(w.Machines))]; m.Runs() {
		w.program.Operate(m)
	}
	w.after(w.upTo(20*time.Second/time.Duration(w.weather.operate)), nil, w.operate)
}

// heal ends all trouble: lines are whole and processes run.
func (w *World) heal() {
	w.healed = true
	w.mend()
	for _, m := range w.Machines {
		m.pausedTo = 0
		m.resume()
		m.Start()
	}
	w.Logf("healed")
	w.program.Quiet()
}
