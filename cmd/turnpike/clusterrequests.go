package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/member"
	"turnpike.dev/turnpike/cluster/revisions"
	"turnpike.dev/turnpike/control/cli"
	"turnpike.dev/turnpike/control/clustering"
	"turnpike.dev/turnpike/control/config"
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
	By         store.Author       `json:"by"`
	Operations []config.Operation `json:"operations,omitempty"`
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
	for _, o := range a.Operations {
		if !store.OfMapping(o.Path) {
			return a, fmt.Errorf("read a request: %q is changed on the primary alone", o.Path)
		}
	}
	return a, nil
}

// answerPeers takes the requests of other peers.
func (p *peering) answerPeers() {
	s := p.node.store
	p.answer(requestMapping, func(a asked) error {
		_, err := s.Propose(store.Proposal{Author: a.By, Note: "address mapping", Operations: a.Operations})
		return err
	})
	p.answer(requestKey, func(a asked) error { return s.RenewKey(a.By) })
}

// answer does what a peer that has joined asks of the primary, and says which revision has it; of another one it is
// refused, so that nothing goes in circles.
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
		if err := do(a); err != nil {
			return nil, err
		}
		return json.Marshal(p.node.store.Current().Shared)
	})
}

// tell asks the primary to do something.
func (p *peering) tell(ctx context.Context, name string, a asked) (made store.Origin, err error) {
	primary := p.member.Status().Follows
	if primary == "" {
		return made, revisions.ErrNobody
	}
	body, err := json.Marshal(a)
	if err != nil {
		return made, err
	}
	answer, err := p.member.Request(ctx, primary, name, body)
	if err == nil {
		err = json.Unmarshal(answer, &made)
	}
	if err != nil {
		return made, fmt.Errorf("ask the primary: %w", err)
	}
	return made, nil
}

// RenewKey implements store.Cluster.
func (p *peering) RenewKey(ctx context.Context, by store.Author) (store.Origin, error) {
	return p.tell(ctx, requestKey, asked{By: by})
}

// Forward implements store.Cluster.
func (p *peering) Forward(ctx context.Context, by store.Author, ops []config.Operation) (store.Origin, error) {
	return p.tell(ctx, requestMapping, asked{By: by, Operations: ops})
}

// ChangeMapping adds a pair to the address mapping or takes one out; the primary writes it, whoever is asked (CL-07).
func (n *node) ChangeMapping(_ context.Context, by store.Author, remove bool, m clustering.Mapping) error {
	_, err := n.store.Propose(store.Proposal{Author: by, Note: "address mapping", Operations: clustering.ChangeMapping(remove, m)})
	return err
}

// xForceConfigUpdate is facts A6's: on a subordinate only (CL-15).
func (n *node) xForceConfigUpdate() cli.Command {
	return cli.Command{
		Name: "ForceConfigUpdate", Text: "Takes the primary's configuration in the place of this node's. The primary refuses.",
		Run: func(ctx context.Context, _ map[string]string, caller cli.Caller) ([]cli.Element, error) {
			n.log.Event("Cluster Update Forced", "User", caller.User, "Src", caller.From)
			return nil, n.ForceUpdate(ctx)
		},
	}
}
