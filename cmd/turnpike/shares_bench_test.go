package main

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"turnpike.dev/turnpike/control/admission"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/metrics"
	"turnpike.dev/turnpike/control/occupancy"
	"turnpike.dev/turnpike/control/resources"
	"turnpike.dev/turnpike/control/sharing"
	"turnpike.dev/turnpike/licensing"
)

// limitedEverywhere is a node as large as may be: 1000 subzones and 1000 pipes, all of them limited in total and lent.
func limitedEverywhere(b *testing.B) (*resources.Resources, *config.Node) {
	b.Helper()
	var text strings.Builder
	text.WriteString("system: {name: a}\nsubzones:\n")
	for i := range 1000 {
		fmt.Fprintf(&text, "  - {name: s%d, bandwidth: {total: {mode: limited, kbps: 100000}}}\n", i)
	}
	text.WriteString("pipes:\n")
	for i := range 1000 {
		fmt.Fprintf(&text, "  - {name: p%d, total: {mode: limited, kbps: 100000}}\n", i)
	}
	text.WriteString("links:\n")
	for i := range 1000 {
		fmt.Fprintf(&text, "  - {name: d%d, node1: s%d, node2: DefaultSubZone, pipe1: p%d}\n", i, i, i)
	}
	n, err := config.Parse("large", []byte(text.String()))
	if err != nil {
		b.Fatal(err)
	}
	r, err := resources.New(n, licensing.Installed{}, resources.Deps{})
	if err != nil {
		b.Fatal(err)
	}
	lease := admission.NewLease(func() time.Duration { return 0 })
	lease.Extend(time.Second)
	r.Lend(lease)
	r.Share(full{})
	return r, n
}

// snapshotOf is a node of which only bandwidth is scraped.
type snapshotOf struct {
	r *resources.Resources
	n *config.Node
}

func (s snapshotOf) objects() []occupancy.Object {
	all := occupancy.Objects(s.r, s.n, callRates{})
	shares{refused: s.r.Refused()}.objects(all)
	for i := range all {
		if all[i].Share != nil {
			all[i].Peers = make([]sharing.Holder, 6)
		}
	}
	return all
}

// Snapshot implements metrics.Source.
func (s snapshotOf) Snapshot() metrics.Snapshot { return metrics.Snapshot{Bandwidth: s.objects()} }

// BenchmarkSharesInSight is what a scrape and `turnpike bandwidth status` cost the node, and the command its table, with 2000
// limited objects of which each was refused to somebody. The socket is not in it, nor the ledger's picture.
func BenchmarkSharesInSight(b *testing.B) {
	r, n := limitedEverywhere(b)
	for i := range 1000 {
		from := resources.Party{Node: fmt.Sprintf("s%d", i), Party: licensing.Party{Registered: true, SIP: true}}
		to := resources.Party{Node: config.DefaultSubzoneName, Party: licensing.Party{Registered: true, SIP: true}}
		if _, err := r.Admit("call", resources.Want{Streams: 2, Ways: []resources.Way{{From: from, To: to, Asked: 1000}}}); err == nil {
			b.Fatal("a call got what was not lent")
		}
	}
	of := snapshotOf{r, n}
	b.Run("scrape", func(b *testing.B) {
		h := metrics.Handler(of)
		b.ReportAllocs()
		for b.Loop() {
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/metrics", nil))
		}
	})
	b.Run("status", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			of.objects()
		}
	})
	b.Run("table", func(b *testing.B) {
		rows := bandwidthShares(occupancy.Report{Objects: of.objects()})
		b.ReportAllocs()
		for b.Loop() {
			var out bytes.Buffer
			w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
			writeShares(w, sharing.Status{}, rows, false)
		}
	})
}
