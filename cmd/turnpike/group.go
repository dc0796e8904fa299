package main

import (
	"context"
	"sync"
)

// group runs the parts of a node. When one of them fails, all are asked to end.
type group struct {
	cancel context.CancelCauseFunc
	parts  sync.WaitGroup
	once   sync.Once
	err    error
}

// newGroup returns a group and the context that its parts end with.
func newGroup(ctx context.Context) (*group, context.Context) {
	ctx, cancel := context.WithCancelCause(ctx)
	return &group{cancel: cancel}, ctx
}

// Go runs a part. It may return early without error.
func (g *group) Go(part func() error) {
	g.parts.Go(func() {
		if err := part(); err != nil {
			g.once.Do(func() {
				g.err = err
				g.cancel(err)
			})
		}
	})
}

// wait returns the first error when all parts have ended.
func (g *group) wait() error {
	g.parts.Wait()
	g.cancel(nil)
	return g.err
}

// end asks the parts to end and waits for them.
func (g *group) end() {
	g.cancel(nil)
	g.parts.Wait()
}
