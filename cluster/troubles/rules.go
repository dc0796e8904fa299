package troubles

import (
	"strconv"
	"strings"

	"turnpike.dev/turnpike/cluster/settings"
)

// board collects the alarms that should stand.
type board struct{ out []Trouble }

// add adds an alarm, or what else there is to say to one that is there.
func (b *board) add(number int, key, detail string) {
	for i, t := range b.out {
		if t.Number == number && t.Key == key {
			b.out[i].Detail += "; " + detail
			return
		}
	}
	b.out = append(b.out, Trouble{number, key, detail})
}

func (b *board) when(is bool, number int, key, detail string) {
	if is {
		b.add(number, key, detail)
	}
}

// own is about this node and its list of peers.
func (b *board) own(v View) {
	absent := v.Index < 0 && len(v.Own.Peers) > 0 // who has emptied the list leaves
	b.when(absent, 20003, "", "no entry of cluster.peers is an address of this node")
	b.when(absent, 20015, "", "cluster.peers is "+strings.Join(v.Own.Peers, ", "))
	for i, a := range v.Own.Peers {
		for j, other := range v.Own.Peers[:i] {
			b.when(strings.EqualFold(a, other), 20003, "", "entries "+strconv.Itoa(j+1)+" and "+strconv.Itoa(i+1)+" of cluster.peers are both "+a)
		}
	}
	b.when(v.Own.Name == "", 20019, "", "cluster.name is empty")
	b.when(v.NoH323, 20018, "", "h323.mode is off")
	for _, item := range v.Restart {
		b.add(20007, "", item+" takes effect at the next start")
	}
	if v.ActiveTLS != "" && v.ActiveTLS != v.Own.TLS {
		b.add(20007, "", "cluster_tls takes effect at the next start")
		b.add(20020, "", "cluster_tls is "+v.Own.TLS+", this process runs with "+v.ActiveTLS)
	}
	b.when(v.Disagreement != "", 20024, "", v.Disagreement)
	b.when(v.Frozen != "", 20026, "", v.Frozen)
}

// configuration is about the way of the shared configuration (CL-16).
func (b *board) configuration(v View) {
	f := v.Configuration
	b.when(f.Unwritten != "", 20009, "", "the configuration could not be written: "+f.Unwritten)
	b.when(v.Unkept != "", 20009, "", "the state of the cluster could not be written, it is tried again: "+v.Unkept)
	b.when(v.Refused != "", 20009, "", "the primary's configuration does not fit here: "+v.Refused)
	b.when(f.Conflict != "", 20011, "", f.Conflict)
	b.when(f.Forgot != "", 20014, "", f.Forgot)
	b.when(f.Deposed != "", 20017, "", f.Deposed)
	b.when(f.Damaged != "", 20025, "", f.Damaged)
	if p, ok := v.primary(); ok && !p.here() {
		b.add(20016, "", "the primary is "+p.Address)
	} else if f.Silent != "" {
		b.add(20016, "", f.Silent)
	}
}

// primary is the peer that the settings name, when it is another.
func (v View) primary() (Peer, bool) {
	i := v.Own.Primary - 1
	if i < 0 || i >= len(v.Peers) || i == v.Index || v.Peers[i].Own {
		return Peer{}, false
	}
	return v.Peers[i], true
}

// peer is about another entry of the list.
func (b *board) peer(v View, p Peer) {
	b.when(p.Also != "", 20003, "", p.Address+" is the same node as "+p.Also)
	b.when(p.Unresolved != "", 20005, p.Address, p.Unresolved)
	if !p.here() {
		// Nobody has tried yet where there is no reason: that is no failure.
		b.when(p.State() == "Failed", 20004, p.Address, or(p.Why, "no heartbeats go both ways"))
		b.blocked(p)
		return
	}
	b.blocked(p)
	if p.Settings == nil {
		return
	}
	for _, d := range settings.Compare(v.Own, *p.Settings) {
		b.add(d.Number, p.Address, d.Item+" is "+or(d.Own, "empty")+" here and "+or(d.Theirs, "empty")+" there")
	}
	b.when(p.Joined && p.Rows != "", 20006, p.Address, p.Rows)
	b.when(p.Joined && p.Unsynchronised != "", 20025, p.Address, p.Unsynchronised)
}

func (b *board) blocked(p Peer) {
	b.when(len(p.Blocked) > 0, 20021, p.Address, "not reached: "+strings.Join(p.Blocked, ", "))
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
