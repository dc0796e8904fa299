package mesh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/wire"
)

// Bounds of requests, with one entry and in one direction.
const (
	maxRequests = 8 // that a node asks; it is answered twice as many, as those before may not be seen to have ended
	requestTime = 2 * time.Minute
)

// Request asks a peer and waits for its answer. to is a node's id or an entry of the list. Each request has a
// connection of its own, so that none waits for another.
func (m *Mesh) Request(ctx context.Context, to cluster.ID, name string, body []byte) ([]byte, error) {
	e := m.find(string(to))
	if e == nil {
		return nil, fmt.Errorf("ask %s: %w", to, ErrNotConnected)
	}
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	select {
	case e.wants <- struct{}{}:
		defer func() { <-e.wants }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	l, err := m.open(ctx, e, wire.Requests)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", e.address, err)
	}
	defer m.remove(l)
	defer l.shut(errEnding)
	var answer []byte
	err = l.within(ctx, func() error {
		answer, err = ask(l, wire.Request{Name: name, Body: body})
		return err
	})
	if ctx.Err() != nil && err != nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", e.address, err)
	}
	return answer, nil
}

func ask(l *line, r wire.Request) ([]byte, error) {
	if err := l.write(r); err != nil {
		return nil, err
	}
	message, err := l.read(wire.MaxDocument+wire.MaxFrame, 0)
	if err != nil {
		return nil, err
	}
	switch a := message.(type) {
	case wire.Answer:
		if a.Failed != "" {
			return nil, &RequestError{a.Failed}
		}
		return a.Body, nil
	case wire.Refused:
		return nil, fmt.Errorf("it says: %s: %w", a.Why, ErrRefused)
	}
	return nil, fmt.Errorf("%T instead of an answer: %w", message, ErrProtocol)
}

// answer answers one request.
func (m *Mesh) answer(ctx context.Context, l *line) {
	defer l.shut(errEnding)
	select {
	case l.entry.asks <- struct{}{}:
		defer func() { <-l.entry.asks }()
	default:
		m.sayWhy(l, ErrBusy)
		m.refuse(l.entry, l.peer.Addr, ErrBusy)
		return
	}
	message, err := l.read(wire.MaxDocument+wire.MaxFrame, greetTime)
	r, ok := message.(wire.Request)
	if err != nil || !ok {
		m.refuse(l.entry, l.peer.Addr, fmt.Errorf("no request comes: %w", ErrProtocol))
		return
	}
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	go func() { // nothing more is to come: whatever does says that nobody waits
		_, _ = l.read(wire.MaxFrame, 0)
		cancel()
	}()
	body, err := m.cfg.Handler.Request(ctx, l.peer, r.Name, r.Body)
	a := wire.Answer{Body: body}
	if err != nil {
		a = wire.Answer{Failed: err.Error()}
	}
	if err := l.write(a); err != nil {
		m.cfg.Log.Warn("Cluster Request Not Answered", "Peer", l.entry.address, "Detail", err)
		return
	}
	select { // until the peer has read it and closes
	case <-ctx.Done():
	case <-time.After(greetTime):
	}
}

// Raft opens a stream for raft to a peer with the same cluster id.
func (m *Mesh) Raft(ctx context.Context, to cluster.ID) (net.Conn, error) {
	e := m.find(string(to))
	if e == nil {
		return nil, fmt.Errorf("raft with %s: %w", to, ErrNotConnected)
	}
	l, err := m.open(ctx, e, wire.Raft)
	if err != nil {
		return nil, fmt.Errorf("raft with %s: %w", e.address, err)
	}
	return m.lend(l)
}

// lend hands a connection to somebody who closes it.
func (m *Mesh) lend(l *line) (*lent, error) {
	if err := l.SetDeadline(time.Time{}); err != nil {
		m.remove(l)
		return nil, l.ended(err)
	}
	return &lent{line: l, mesh: m}, nil
}

// lent is a connection that raft has.
type lent struct {
	*line
	mesh *Mesh
}

// Close implements net.Conn.
func (l *lent) Close() error {
	l.shut(errors.New("raft closed it"))
	l.mesh.remove(l.line)
	return nil
}

// handOver gives an accepted stream to raft, and keeps it in the list until it ends.
func (m *Mesh) handOver(ctx context.Context, l *line) {
	c, err := m.lend(l)
	if err != nil {
		return
	}
	m.cfg.Handler.Raft(l.peer, c)
	select {
	case <-l.done:
	case <-ctx.Done():
	}
}
