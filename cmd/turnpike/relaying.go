package main

import (
	"errors"
	"slices"

	"github.com/cilium/ebpf"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/dataplane/turn"
)

// Relays lists every allocation with what its channels carried.
func (n *node) Relays() []api.Relay {
	out := []api.Relay{}
	if n.turn == nil {
		return out
	}
	pairs := map[relay.ID]relay.PairInfo{}
	for _, p := range n.engine.List() {
		pairs[p.ID] = p
	}
	for _, a := range n.turn.Allocations() {
		out = append(out, relayOf(a, func(id relay.ID) (relay.PairInfo, bool) {
			p, ok := pairs[id]
			return p, ok
		}))
	}
	return out
}

// Relay returns one allocation.
func (n *node) Relay(id uint64) (api.Relay, error) {
	if n.turn == nil {
		return api.Relay{}, api.ErrNotFound
	}
	for _, a := range n.turn.Allocations() {
		if a.ID == id {
			return relayOf(a, func(id relay.ID) (relay.PairInfo, bool) {
				p, err := n.engine.Stats(id)
				return p, err == nil
			}), nil
		}
	}
	return api.Relay{}, api.ErrNotFound
}

func relayOf(a turn.Allocation, pair func(relay.ID) (relay.PairInfo, bool)) api.Relay {
	r := api.Relay{
		ID: a.ID, User: a.User, Transport: string(a.Transport),
		Client: a.Client.String(), Server: a.Server.String(),
		Permissions: []api.Permission{}, Channels: []api.Channel{},
	}
	for _, x := range a.Relays {
		r.Relay = append(r.Relay, x.Relay.String())
		r.Public = append(r.Public, x.Public.String())
		if r.Expires.IsZero() || x.Expires.Before(r.Expires) {
			r.Expires = x.Expires
		}
		for _, p := range x.Permissions {
			r.Permissions = append(r.Permissions, api.Permission{Peer: p.Peer.String(), Expires: p.Expires})
		}
		for _, c := range x.Channels {
			r.Channels = append(r.Channels, channelOf(c, pair))
		}
	}
	r.Path, r.Reason = pathOfChannels(r.Channels)
	return r
}

func channelOf(c turn.Channel, pair func(relay.ID) (relay.PairInfo, bool)) api.Channel {
	out := api.Channel{Number: c.Number, Peer: c.Peer.String(), Expires: c.Expires}
	if !c.Installed {
		return out
	}
	if p, ok := pair(c.PairID); ok {
		out.Up, out.Down = p.Stats[relay.Up], p.Stats[relay.Down]
	}
	return out
}

// pathOfChannels says who relays a relay's channels, and why not XDP where it is not.
func pathOfChannels(channels []api.Channel) (path, reason string) {
	for _, c := range channels {
		for _, f := range []relay.FlowStats{c.Up, c.Down} {
			switch {
			case f.Path == "":
			case path == "":
				path = string(f.Path)
			case path != string(f.Path):
				path = "mixed"
			}
			if reason == "" {
				reason = f.Reason
			}
		}
	}
	return path, reason
}

// Kill ends a relay.
func (n *node) Kill(id uint64) error {
	if n.turn == nil {
		return api.ErrNotFound
	}
	err := n.turn.Kill(id)
	if errors.Is(err, turn.ErrNoAllocation) {
		return api.ErrNotFound
	}
	return err
}

// Dataplane says how the data path is.
func (n *node) Dataplane() api.Dataplane {
	ifs := n.interfaces()
	flows := n.totals.sum().flows
	d := api.Dataplane{
		Path: overall(ifs), Interfaces: ifs, Maps: n.maps(),
		Flows: api.Flows{XDP: flows[relay.PathXDP], Userspace: flows[relay.PathUserspace], Strays: n.engine.Strays()},
	}
	if n.kernel != nil {
		st := n.kernel.Status()
		d.Program = programOf(n.kernel.Program(), st.ProgramID)
		d.Pins = st.Pins
	}
	return d
}

// programOf asks the kernel about the node's program: by what the node holds of it, for
// by its number alone only CAP_SYS_ADMIN may.
func programOf(prog *ebpf.Program, id uint32) *api.Program {
	p := &api.Program{ID: id}
	if info, err := prog.Info(); err == nil {
		p.Name, p.Tag = info.Name, info.Tag
	}
	return p
}

// maps says how full the kernel's maps are.
func (n *node) maps() []api.Map {
	if n.kernel == nil {
		return []api.Map{}
	}
	st := n.kernel.Status()
	return []api.Map{
		{Name: "flows", Entries: st.Flows, Capacity: st.MaxFlows},
		{Name: "permissions", Entries: st.Permissions, Capacity: 2 * st.MaxFlows},
	}
}

// Reasons counts packets by the reason they left the relay, on both paths.
func (n *node) Reasons() []api.Reason {
	kernel, process := n.engine.Reasons()
	list := reasonsOf(relay.PathUserspace, process)
	if n.kernel != nil {
		list = slices.Concat(reasonsOf(relay.PathXDP, kernel), list)
	}
	return list
}

func reasonsOf(path relay.Path, counts [bpf.ReasonCount]uint64) []api.Reason {
	list := make([]api.Reason, 0, len(counts))
	for r, n := range counts {
		why := bpf.Reason(r)
		list = append(list, api.Reason{
			Reason: why.String(), Verdict: string(why.Verdict()), Path: string(path), Packets: n, Text: why.Text(),
		})
	}
	return list
}
