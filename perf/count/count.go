// Package count counts generated packets where they arrive, in an XDP program that
// takes them off the link: what is measured is the relay and not the receiver's
// stack.
package count

import (
	"errors"
	"fmt"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"turnpike.dev/turnpike/perf/lab"
)

//go:generate go run github.com/cilium/ebpf/cmd/bpf2go -cc clang-14 -strip llvm-strip-14 -target bpfel count count.bpf.c -- -O2 -mcpu=v3 -Wall -Werror -I/usr/include/x86_64-linux-gnu

// Counter counts on one link. Packets that the generator did not make pass.
type Counter struct {
	objs countObjects
	link link.Link
}

// Totals is what arrived since the last reset.
type Totals struct {
	Packets, Bytes uint64 // bytes of whole frames
	Other          uint64 // frames that the generator did not make
	// Span is the time from the first to the last packet; only with timed set.
	Span time.Duration
}

// Rate is the number of packets per second that arrived; only with timed set.
func (t Totals) Rate() float64 {
	if t.Packets < 2 || t.Span <= 0 {
		return 0
	}
	return float64(t.Packets-1) / t.Span.Seconds()
}

// Flow is what arrived of one flow.
type Flow struct {
	Packets   uint64
	Reordered uint32
}

// Attach puts a counter on a link. With timed set it measures latencies, which
// needs a generator that stamps its packets. Close it.
func Attach(host *lab.Host, linkName string, timed bool) (*Counter, error) {
	c := new(Counter)
	spec, err := loadCount()
	if err != nil {
		return nil, err
	}
	if timed {
		if err := spec.Variables[countVarTimed].Set(uint32(1)); err != nil {
			return nil, err
		}
	}
	if err := spec.LoadAndAssign(&c.objs, nil); err != nil {
		return nil, fmt.Errorf("load the counter: %w", err)
	}
	err = host.Do(func() (err error) {
		c.link, err = link.AttachXDP(link.XDPOptions{
			Program:   c.objs.Count,
			Interface: host.Link(linkName).Index,
			Flags:     link.XDPDriverMode,
		})
		return err
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("attach the counter to %s: %w", linkName, err), c.objs.Close())
	}
	return c, nil
}

// Close takes the counter off the link.
func (c *Counter) Close() error { return errors.Join(c.link.Close(), c.objs.Close()) }

// Totals reads the totals over all CPUs.
func (c *Counter) Totals() (Totals, error) {
	var perCPU []countTotal
	if err := c.objs.Totals.Lookup(uint32(0), &perCPU); err != nil {
		return Totals{}, fmt.Errorf("read the counter: %w", err)
	}
	var t Totals
	var first, last uint64
	for _, cpu := range perCPU {
		t.Packets += cpu.Packets
		t.Bytes += cpu.Bytes
		t.Other += cpu.Other
		if cpu.FirstNs != 0 && (first == 0 || cpu.FirstNs < first) {
			first = cpu.FirstNs
		}
		last = max(last, cpu.LastNs)
	}
	t.Span = time.Duration(last - first)
	return t, nil
}

// Flows reads the first n flows.
func (c *Counter) Flows(n int) ([]Flow, error) {
	flows := make([]Flow, n)
	for i := range flows {
		var f countFlow
		if err := c.objs.Flows.Lookup(uint32(i), &f); err != nil {
			return nil, fmt.Errorf("read flow %d: %w", i, err)
		}
		flows[i] = Flow{Packets: f.Packets, Reordered: f.Reordered}
	}
	return flows, nil
}

// Reset sets everything to zero. Packets that arrive meanwhile may be counted or not.
func (c *Counter) Reset() error {
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return err
	}
	errs := []error{c.objs.Totals.Put(uint32(0), make([]countTotal, cpus)), c.resetFlows()}
	for bucket := range uint32(buckets) {
		errs = append(errs, c.objs.Latency.Put(bucket, make([]uint64, cpus)))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("reset the counter: %w", err)
	}
	return nil
}

func (c *Counter) resetFlows() error {
	keys := make([]uint32, c.objs.Flows.MaxEntries())
	for i := range keys {
		keys[i] = uint32(i)
	}
	_, err := c.objs.Flows.BatchUpdate(keys, make([]countFlow, len(keys)), nil)
	return err
}

// Latency reads the latencies of a timed counter.
func (c *Counter) Latency() (Histogram, error) {
	var h Histogram
	for bucket := range uint32(buckets) {
		var perCPU []uint64
		if err := c.objs.Latency.Lookup(bucket, &perCPU); err != nil {
			return h, fmt.Errorf("read latencies: %w", err)
		}
		for _, n := range perCPU {
			h.counts[bucket] += n
		}
	}
	return h, nil
}
