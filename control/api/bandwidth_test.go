package api

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/occupancy"
)

// fakeBandwidth has one object of each of two kinds.
type fakeBandwidth struct{}

func (fakeBandwidth) Bandwidth() occupancy.Report {
	two := 2000
	return occupancy.Report{DefaultKbps: 384, Objects: []occupancy.Object{{Kind: "subzone", Name: "s"}, {Kind: "pipe", Name: "p", TotalKbps: &two, GrantedKbps: 1}}}
}

func (fakeBandwidth) CheckBandwidth(q occupancy.Question) (occupancy.Answer, error) {
	if q.Node2 == "moon" {
		return occupancy.Answer{}, fmt.Errorf("%w: %q", occupancy.ErrNode, q.Node2)
	}
	return occupancy.Answer{Result: occupancy.Granted, Asked: q.Kbps, Kbps: q.Kbps, Nodes: []string{q.Node1, q.Node2}, Links: []string{}, Tolls: []occupancy.Toll{}}, nil
}

func TestBandwidth(t *testing.T) {
	c := serveBandwidth(t)
	all, err := c.Bandwidth(t.Context(), "")
	if diff := cmp.Diff(fakeBandwidth{}.Bandwidth(), all); diff != "" || err != nil {
		t.Error(diff, err)
	}
	pipes, err := c.Bandwidth(t.Context(), "pipe")
	if err != nil || len(pipes.Objects) != 1 || pipes.Objects[0].Name != "p" {
		t.Errorf("got %v, %v", pipes, err)
	}
	if _, err := c.Bandwidth(t.Context(), "tunnel"); err == nil {
		t.Error("there are no tunnels")
	}
	q := occupancy.Question{Node1: "a", Node2: "b", Kbps: 7}
	got, err := c.CheckBandwidth(t.Context(), q)
	want, _ := fakeBandwidth{}.CheckBandwidth(q)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	for want, q := range map[string]occupancy.Question{
		"no such subzone or zone": {Node1: "a", Node2: "moon"},
		"node1":                   {Node2: "b"},
		"kbps":                    {Node1: "a", Node2: "b", Kbps: 1 << 31},
	} {
		if _, err := c.CheckBandwidth(t.Context(), q); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v", q, err)
		}
	}
}

// serveBandwidth serves a node that tells of bandwidth only.
func serveBandwidth(t *testing.T) *Client {
	t.Helper()
	state := t.TempDir()
	l, err := Listen(state)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- New(newFake(), nil).Measure(fakeBandwidth{}).Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return NewClient(state)
}
