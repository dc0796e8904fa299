package main

import (
	"time"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/machine"
	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/dataplane/turn"
	"turnpike.dev/turnpike/dataplane/xdp"
)

// Traffic is everything that counts up while packets move.
func (n *node) Traffic() api.Traffic {
	all := n.totals.sum()
	t := api.Traffic{At: time.Now(), Reasons: n.Reasons(), Losses: n.Losses(), Relays: []api.RelayTraffic{}}
	for _, d := range []relay.Direction{relay.Up, relay.Down} {
		t.Paths = append(t.Paths,
			api.PathTraffic{Path: relay.PathXDP, Direction: d.String(), Carried: all.carried[d].kernel},
			api.PathTraffic{Path: relay.PathUserspace, Direction: d.String(), Carried: all.carried[d].process})
	}
	t.Interfaces = n.interfaceTraffic()
	if n.turn != nil {
		pairs := make(map[relay.ID]relay.PairInfo, len(all.pairs))
		for _, p := range all.pairs {
			pairs[p.ID] = p
		}
		for _, a := range n.turn.Allocations() {
			t.Relays = append(t.Relays, relayTraffic(a, pairs))
		}
	}
	if n.kernel != nil {
		t.Program = runsOf(n.kernel)
	}
	return t
}

// Losses is what the machine lost outside the relay. What cannot be read is left out.
func (n *node) Losses() []machine.Loss {
	losses, _ := machine.Losses(n.names())
	return losses
}

func (n *node) interfaceTraffic() []api.InterfaceTraffic {
	spreads := map[string]xdp.Spread{}
	if n.kernel != nil {
		for _, q := range n.kernel.Queues() {
			spreads[q.Interface] = q
		}
	}
	links := map[string]machine.Link{}
	for _, l := range machine.Links(n.names()) {
		links[l.Name] = l
	}
	list := []api.InterfaceTraffic{}
	for _, i := range n.interfaces() {
		one := api.InterfaceTraffic{Link: links[i.Name], Path: i.Path, Mode: i.Mode}
		one.Name = i.Name // also of one that is not there now
		if q, ok := spreads[i.Name]; ok {
			one.Spread = api.Spread{Over: string(q.Over), Packets: q.Packets}
		}
		list = append(list, one)
	}
	return list
}

func relayTraffic(a turn.Allocation, pairs map[relay.ID]relay.PairInfo) api.RelayTraffic {
	r := api.RelayTraffic{ID: a.ID, User: a.User, Transport: string(a.Transport), Client: a.Client.String()}
	for _, x := range a.Relays {
		for _, c := range x.Channels {
			p, ok := pairs[c.PairID]
			if !ok || !c.Installed {
				continue
			}
			r.Up.Add(p.Stats[relay.Up].Carried())
			r.Down.Add(p.Stats[relay.Down].Carried())
			for _, f := range p.Stats {
				r.Path = mixed(r.Path, f.Path)
				heard := rtpOf(f)
				r.Expected += heard.expected
				r.Received += heard.received
			}
		}
	}
	return r
}

// mixed names the path of a relay of which one flow more is looked at.
func mixed(path string, next relay.Path) string {
	switch {
	case path == "" || path == string(next):
		return string(next)
	default:
		return "mixed"
	}
}

// runsOf asks the kernel how often the program ran.
func runsOf(kernel *xdp.Backend) *api.Runs {
	r := &api.Runs{ID: kernel.Status().ProgramID}
	if st, err := kernel.Program().Stats(); err == nil {
		r.Count, r.Nanoseconds = st.RunCount, uint64(st.Runtime)
	}
	return r
}
