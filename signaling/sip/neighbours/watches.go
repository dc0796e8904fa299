package neighbours

import (
	"turnpike.dev/turnpike/signaling/sip/digest"
)

// tend starts watches of peers that should be asked and have none, and stops those of
// peers that are gone or have another password. A shard that has no room at the moment is
// given them the next time. The caller holds mu.
func (n *Neighbours) tend() {
	if !n.running {
		return
	}
	wanted := n.now.Load().watched()
	for k, w := range n.watches {
		if p := wanted[k]; (p == nil || p.account != w.account) && w.shard.Post(w.stop) {
			delete(n.watches, k)
		}
	}
	for k, p := range wanted {
		if n.watches[k] != nil {
			continue
		}
		if w := n.newWatch(p); w.shard.Post(w.begin) {
			n.watches[k] = w
		}
	}
}

// watched returns the peers that are asked whether they live.
func (t *table) watched() map[key]*peer {
	out := map[key]*peer{}
	for _, l := range t.lines {
		if !l.watched {
			continue
		}
		for _, p := range l.peers {
			out[p.key] = p
		}
	}
	return out
}

func (n *Neighbours) newWatch(p *peer) *watch {
	w := &watch{n: n, shard: n.deps.Group.Of(p.key.String()), key: p.key, state: p.state, account: p.account}
	if p.account != (account{}) {
		w.login = &digest.Client{User: p.account.user, Password: p.account.password}
	}
	return w
}
