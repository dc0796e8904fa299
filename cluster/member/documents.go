package member

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"turnpike.dev/turnpike/cluster/membership"
	"turnpike.dev/turnpike/cluster/revisions"
)

// maxProposals bounds the changes that wait for one that is being written.
const maxProposals = 64

type (
	// proposed and forced are events: somebody waits for their end.
	proposed struct {
		revisions.Propose
		done chan error
	}
	forced struct{ done chan error }
	left   struct{ done chan error }

	// What the disk's goroutine is asked for.
	keep struct {
		data []byte
		then any // event; nil: none
	}
	// keptIs is an event: what came of a keep.
	keptIs struct {
		then any
		err  error
	}
	apply struct {
		revisions.Apply
		done chan error // nil: nobody waits
	}
	check struct{}
)

// proposal is a change of this node's that is being written.
type proposal struct {
	tag  revisions.Tag
	done chan error
}

// Propose makes a change of the shared configuration, and returns when it is in force here, or why it is not.
func (m *Member) Propose(ctx context.Context, p revisions.Propose) error {
	return m.await(ctx, func(done chan error) any { return proposed{p, done} })
}

// Force takes the primary's configuration whatever there is here (CL-15).
func (m *Member) Force(ctx context.Context) error {
	return m.await(ctx, func(done chan error) any { return forced{done} })
}

// Leave tells the others that this process ends, and hands back what it can.
func (m *Member) Leave(ctx context.Context) error {
	return m.await(ctx, func(done chan error) any { return left{done} })
}

func (m *Member) await(ctx context.Context, event func(chan error) any) error {
	done := make(chan error, 1)
	m.inbox.post(event(done))
	select {
	case err := <-done:
		return err
	case <-m.ended:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

// propose hands a change to the core; while another one is written it waits.
func (m *Member) propose(p proposed) {
	if m.writing != nil {
		m.wait(p)
		return
	}
	out := m.revise(p.Propose)
	if err := refusal(out); err != nil {
		if errors.Is(err, revisions.ErrBusy) { // the core writes for itself
			m.wait(p)
			return
		}
		p.done <- err
		return
	}
	for _, a := range out {
		if w, ok := a.(revisions.Write); ok && w.Tag.Digest == p.Digest {
			m.writing = &proposal{w.Tag, p.done}
			return
		}
	}
	p.done <- fmt.Errorf("%w: it was not taken up", revisions.ErrBusy)
}

// wait has a change wait for the one that is being written.
func (m *Member) wait(p proposed) {
	if len(m.queue) >= maxProposals {
		p.done <- revisions.ErrBusy
		return
	}
	m.queue = append(m.queue, p)
}

// refusal returns why an event was refused.
func refusal(out []revisions.Action) error {
	for _, a := range out {
		if r, ok := a.(revisions.Refused); ok {
			return r.Err
		}
	}
	return nil
}

// revise runs the core of the configuration's way.
func (m *Member) revise(e revisions.Event) []revisions.Action {
	out := m.revisions.Step(m.cfg.Boot(), e)
	for _, a := range out {
		switch a := a.(type) {
		case revisions.Send:
			m.sync(a)
		case revisions.Write:
			m.disk.post(a)
		case revisions.Apply:
			m.inForce(a)
		case revisions.Check:
			m.disk.post(check{})
		}
	}
	if f, ok := e.(revisions.WriteFailed); ok {
		m.notWritten(f)
	}
	return out
}

// inForce has a document applied that is durable.
func (m *Member) inForce(a revisions.Apply) {
	m.dirty = true
	m.applied(a)
	var done chan error
	if m.writing != nil && m.writing.tag == a.Tag {
		done, m.writing = m.writing.done, nil
	}
	m.disk.post(apply{a, done})
	m.next()
}

func (m *Member) notWritten(f revisions.WriteFailed) {
	m.cfg.Log.Error("Cluster Synchronisation Failed", "Detail", f.Err, "Revision", f.Tag)
	if m.writing != nil && m.writing.tag == f.Tag {
		m.writing.done <- f.Err
		m.writing = nil
	}
	m.next()
}

// next takes up the changes that waited.
func (m *Member) next() {
	waiting := m.queue
	m.queue = nil
	for _, p := range waiting {
		m.inbox.post(p)
	}
}

// runDisk does what may block, one after the other.
func (m *Member) runDisk(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.disk.wake:
		}
		for _, job := range m.disk.take() {
			if ctx.Err() != nil {
				return
			}
			m.do(job)
		}
	}
}

func (m *Member) do(job any) {
	switch job := job.(type) {
	case revisions.Write:
		if err := m.cfg.Documents.Write(job.Stored); err != nil {
			m.inbox.post(revisions.WriteFailed{Tag: job.Tag, Err: err})
			return
		}
		m.inbox.post(revisions.Wrote{Tag: job.Tag})
	case membership.Write:
		m.step(job)
	case apply:
		m.cfg.Documents.Apply(job.Apply)
		if job.done != nil {
			job.done <- nil
		}
	case check:
		m.inbox.post(revisions.Checked{Digest: m.cfg.Documents.Digest()})
	case keep:
		m.inbox.post(keptIs{job.then, m.cfg.Keep(job.data)})
	}
}

func text(n uint64) string { return strconv.FormatUint(n, 10) }
