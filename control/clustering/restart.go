package clustering

import (
	"fmt"
	"strings"
)

// Restart leads through a restart of all peers, one at a time: the primary first, for a subordinate that
// comes back before its primary might find none (CL-20).
type Restart struct {
	order  []int          // places
	before map[int]uint64 // incarnations
	names  map[int]string // addresses
}

// NewRestart plans a restart. It refuses to begin while the cluster is not complete: the peers that are left would
// have to carry everything.
func NewRestart(st Status) (*Restart, error) {
	if ok, missing := st.Settled(); !ok {
		return nil, fmt.Errorf("%w: the cluster is not complete: %s", ErrStep, strings.Join(missing, "; "))
	}
	r := &Restart{before: map[int]uint64{}, names: map[int]string{}, order: []int{st.Acting}}
	for _, p := range st.Peers {
		r.before[p.Index], r.names[p.Index] = p.Incarnation, p.Address
		if p.Index != st.Acting {
			r.order = append(r.order, p.Index)
		}
	}
	return r, nil
}

// Order returns the places of the peers in the order of their restarts.
func (r *Restart) Order() []int { return r.order }

// Back reports whether a peer runs anew and the cluster is complete again; why says what is missing.
func (r *Restart) Back(st Status, index int) (ok bool, why []string) {
	if index > len(st.Peers) || st.Peers[index-1].Address != r.names[index] {
		return false, []string{"the list of peers was changed meanwhile"}
	}
	if p := st.Peers[index-1]; p.Incarnation <= r.before[index] {
		return false, []string{p.Address + " has not restarted yet"}
	}
	return st.Settled()
}
