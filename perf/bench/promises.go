package main

import "turnpike.dev/turnpike/perf/report"

// promises compares what was measured with what the design says it must be. What was
// not measured is left out.
func promises(r *report.Report) []report.Ratio {
	var ratios []report.Ratio
	add := func(what string, top, bottom float64, want, aim float64, unit string) {
		if top > 0 && bottom > 0 {
			ratios = append(ratios, report.Ratio{What: what, Value: top / bottom, Want: want, Aim: aim, Unit: unit})
		}
	}
	for _, direction := range []string{up, down, both} {
		add("of the bare limit, 6000 relays, "+direction,
			perCore(r, xdpTarget, direction), perCore(r, limitTarget, direction), .70, .85, "")
	}
	xdp := flatOut(r, xdpTarget, up)
	add("times coturn flat out, client to peer", xdp, flatOut(r, coturnTarget, up), 10, 13, "×")
	add("times coturn's no-drop rate, client to peer", offered(r, xdpTarget), offered(r, coturnTarget), 18, 25, "×")
	add("times coturn's set-ups per second", perSecond(r, xdpTarget), perSecond(r, coturnTarget), 1, 0, "×")
	if row, ok := r.Find(report.OneCore, xdpTarget, both); ok {
		ratios = append(ratios, report.Ratio{What: "packets lost, 6000 relays × 50/s both ways on one core", Value: float64(row.Lost), AtMost: true})
	}
	if row, ok := r.Find(report.Setups, xdpTarget, ""); ok {
		ratios = append(ratios, memoryPromise(row))
	}
	return ratios
}

// memoryPromise takes the process's growth, or all of the process where it had more at
// its start than with all relays.
func memoryPromise(row report.Row) report.Ratio {
	ratio := report.Ratio{What: "memory per relay", Value: float64(row.RSSPerRelay) / 1024, Want: 20, AtMost: true, Unit: " KiB"}
	if row.RSSPerRelay <= 0 && row.Relays > 0 {
		ratio.What = "memory of the whole process per relay"
		ratio.Value = float64(row.RSS) / float64(row.Relays) / 1024
	}
	return ratio
}

func flatOut(r *report.Report, target, direction string) float64 {
	row, _ := r.Find(report.Throughput, target, direction)
	return row.Delivered
}

// perCore is compared where both sides share their core with the generator.
func perCore(r *report.Report, target, direction string) float64 {
	row, _ := r.Find(report.Throughput, target, direction)
	return row.PerCore
}

func offered(r *report.Report, target string) float64 {
	row, _ := r.Find(report.NoDrop, target, up)
	return row.Offered
}

func perSecond(r *report.Report, target string) float64 {
	row, _ := r.Find(report.Setups, target, "")
	return row.PerSecond
}
