package pooling

import (
	"strconv"
	"strings"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/ledger"
	"turnpike.dev/turnpike/cluster/member"
	"turnpike.dev/turnpike/cluster/rows"
	"turnpike.dev/turnpike/control/admission"
)

// Prefix is what the keys of rows begin with in which peers tell what they use: one for each peer and resource of which
// something is in use, "l/ID/NAME", whose value is a number.
const Prefix = "l/"

const (
	// maxNames bounds what is believed to be in use of a peer.
	maxNames = 4096
	// maxTold is how many rows are written at a time.
	maxTold = 256
)

// Take learns what peers use. It is what the member is to call for changes under Prefix.
func (p *Pooling) Take(changed []rows.Changed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range changed {
		p.take(c)
	}
}

func (p *Pooling) take(c rows.Changed) {
	id, name, ok := readKey(c.Key)
	if !ok {
		return
	}
	used, sound := readValue(c.Row.Value)
	if !c.Found || c.Owner != id || !sound {
		if delete(p.others[id], name); len(p.others[id]) == 0 {
			delete(p.others, id)
		}
		return
	}
	of := p.others[id]
	if of == nil {
		of = map[string]uint32{}
		p.others[id] = of
	}
	if _, known := of[name]; known || len(of) < maxNames {
		of[name] = used
	}
}

// readKey takes the key of a row apart.
func readKey(k rows.Key) (cluster.ID, string, bool) {
	rest, ours := strings.CutPrefix(string(k), Prefix)
	id, name, whole := strings.Cut(rest, "/")
	return cluster.ID(id), name, ours && whole && id != "" && name != ""
}

func readValue(text string) (uint32, bool) {
	n, err := strconv.ParseUint(text, 10, 32)
	return uint32(n), err == nil && n > 0
}

// tell tells peers of what is used here by now, as far as that has changed.
func (p *Pooling) tell() {
	now := map[string]uint32{}
	names := make([]string, 0, len(p.told))
	for _, part := range p.deps.Resources.Parts() {
		if part.Used > 0 {
			now[part.Name] = part.Used
		}
		if part.Used != p.told[part.Name] {
			names = append(names, part.Name)
		}
	}
	for name := range p.told {
		if _, there := now[name]; !there && p.gone(name) {
			names = append(names, name)
		}
	}
	for i := range min(len(names), maxTold) {
		p.put(names[(p.next+i)%len(names)], now)
	}
	p.next += maxTold
}

// gone says that something is not shared any more.
func (p *Pooling) gone(name string) bool {
	_, there := p.deps.Resources.Part(name)
	return !there
}

func (p *Pooling) put(name string, now map[string]uint32) {
	k := rows.Key(Prefix + string(p.deps.Self) + "/" + name)
	if n := now[name]; n > 0 {
		p.told[name] = n
		p.deps.Member.Put(k, rows.Row{Value: strconv.FormatUint(uint64(n), 10)})
		return
	}
	delete(p.told, name)
	p.deps.Member.Delete(k)
}

// elsewhere is how much of something other peers use.
func (p *Pooling) elsewhere(name string) uint32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	var sum uint32
	for id, used := range p.others {
		if id != p.deps.Self {
			sum += min(used[name], admission.Unlimited-sum)
		}
	}
	return sum
}

// idle is how much of something other peers may use and do not.
func (p *Pooling) idle(name string, of member.Holding) uint32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.idleOf(name, of)
}

// idleOf is idle. Of who has not told anything that it uses nothing is known to be idle. mu is held.
func (p *Pooling) idleOf(name string, of member.Holding) uint32 {
	var sum uint32
	before := p.seen[1][ledger.Resource(name)]
	for id, granted := range of.Of {
		granted = min(granted, before.Of[id])
		if used := p.others[id][name]; p.others[id] != nil && id != p.deps.Self && granted > used {
			sum += min(granted-used, admission.Unlimited-sum)
		}
	}
	return sum
}
