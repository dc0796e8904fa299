package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/member"
	"turnpike.dev/turnpike/cluster/revisions"
	"turnpike.dev/turnpike/control/clustering"
	"turnpike.dev/turnpike/control/config/store"
)

// What a peer may ask of another one about the shared configuration: the two changes that an operator makes on any peer,
// and that the primary writes.
const (
	requestMapping = "mapping"
	requestKey     = "system-key"
)

// maxAsked bounds what is read of a request.
const maxAsked = 4096

// asked is the body of such a request.
type asked struct {
	By      store.Author `json:"by"`
	Remove  bool         `json:"remove,omitempty"`
	Name    string       `json:"name,omitempty"`
	Address netip.Addr   `json:"address,omitzero"`
}

func readAsked(body []byte) (a asked, err error) {
	if len(body) > maxAsked {
		return a, fmt.Errorf("a request of %d bytes: want at most %d", len(body), maxAsked)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&a); err != nil {
		return a, fmt.Errorf("read a request: %w", err)
	}
	if len(a.By.User)+len(a.By.From) > 512 {
		return a, errors.New("read a request: it names who asks with more than 512 bytes")
	}
	return a, nil
}

// answerPeers takes the requests of other peers.
func (p *peering) answerPeers() {
	p.answer(requestMapping, func(a asked) error {
		return p.node.changeMapping(a.By, a.Remove, clustering.Mapping{Name: a.Name, Address: a.Address})
	})
	p.answer(requestKey, func(a asked) error { return p.node.store.RenewKey(a.By) })
}

// answer does what a peer that has joined asks of the primary; of another one it is refused, so that nothing goes in circles.
func (p *peering) answer(name string, do func(asked) error) {
	p.member.Handle(name, func(_ context.Context, from cluster.ID, body []byte) ([]byte, error) {
		peer, ok := p.member.Peer(from)
		if !ok {
			return nil, member.ErrUnknownPeer
		}
		a, err := readAsked(body)
		if err != nil {
			return nil, err
		}
		if !p.member.Status().Acting {
			return nil, revisions.ErrNotPrimary
		}
		a.By.From += " at " + peer.Name
		return nil, do(a)
	})
}

// tell asks the primary to do something.
func (p *peering) tell(ctx context.Context, name string, a asked) error {
	primary := p.member.Status().Follows
	if primary == "" {
		return revisions.ErrNobody
	}
	body, err := json.Marshal(a)
	if err != nil {
		return err
	}
	if _, err := p.member.Request(ctx, primary, name, body); err != nil {
		return fmt.Errorf("ask the primary: %w", err)
	}
	return nil
}

// RenewKey implements store.Cluster.
func (p *peering) RenewKey(ctx context.Context, by store.Author) error {
	return p.tell(ctx, requestKey, asked{By: by})
}

// ChangeMapping adds a pair to the address mapping or takes one out: the primary writes it, whoever is asked (CL-07).
func (n *node) ChangeMapping(ctx context.Context, by store.Author, remove bool, m clustering.Mapping) error {
	if n.cluster == nil || n.cluster.Status().Acting {
		return n.changeMapping(by, remove, m)
	}
	return n.peering.tell(ctx, requestMapping, asked{By: by, Remove: remove, Name: m.Name, Address: m.Address})
}

func (n *node) changeMapping(by store.Author, remove bool, m clustering.Mapping) error {
	_, err := n.store.Propose(store.Proposal{Author: by, Note: "address mapping", Operations: clustering.ChangeMapping(remove, m)})
	return err
}
