// Package limit is the yardstick of the measurements: XDP programs that redirect
// every frame of a node's link to its other link and do nothing else.
package limit

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"turnpike.dev/turnpike/perf/lab"
)

//go:generate go run github.com/cilium/ebpf/cmd/bpf2go -cc clang-14 -strip llvm-strip-14 -target bpfel limit limit.bpf.c -- -O2 -mcpu=v3 -Wall -Werror -I/usr/include/x86_64-linux-gnu

// Kind is the way a frame is redirected.
type Kind string

// Kinds.
const (
	Redirect Kind = "bpf_redirect"
	Devmap   Kind = "devmap"
	Sieve    Kind = "sieve" // redirects generated packets only, drops other UDP
)

// Limit redirects between two links, both ways.
type Limit struct {
	closers []func() error
}

// Attach starts redirecting. On one link (a == b) it sends frames back by it. Close it.
func Attach(host *lab.Host, kind Kind, a, b string) (*Limit, error) {
	l := new(Limit)
	err := host.Do(func() error {
		if err := l.attach(kind, host.Link(a).Index, host.Link(b).Index); err != nil || a == b {
			return err
		}
		return l.attach(kind, host.Link(b).Index, host.Link(a).Index)
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("redirect %s – %s: %w", a, b, err), l.Close())
	}
	return l, nil
}

// Close stops redirecting.
func (l *Limit) Close() error {
	var errs []error
	for _, f := range l.closers {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}

// attach redirects one direction. Indexes count in the calling thread's namespace.
func (l *Limit) attach(kind Kind, in, out int) error {
	spec, err := loadLimit()
	if err != nil {
		return err
	}
	if err := spec.Variables[limitVarOutIndex].Set(uint32(out)); err != nil {
		return err
	}
	objs := new(limitObjects)
	if err := spec.LoadAndAssign(objs, nil); err != nil {
		return err
	}
	l.closers = append(l.closers, objs.Close)
	if err := objs.Out.Put(uint32(0), uint32(out)); err != nil {
		return err
	}
	programs := map[Kind]*ebpf.Program{Redirect: objs.ByRedirect, Devmap: objs.ByDevmap, Sieve: objs.BySieve}
	attached, err := link.AttachXDP(link.XDPOptions{Program: programs[kind], Interface: in, Flags: link.XDPDriverMode})
	if err != nil {
		return err
	}
	l.closers = append(l.closers, attached.Close)
	return nil
}
