package mesh

import (
	"errors"
	"net/netip"
	"sync"
	"time"
)

// Bounds of what is told of those who are refused.
const (
	toldAgain = 10 * time.Second
	maxTold   = 256
)

// told remembers what was said lately, so that nobody can fill the log by knocking.
type told struct {
	mu sync.Mutex
	at map[string]time.Time
}

// due says whether something is to be said again.
func (t *told) due(what string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if at, ok := t.at[what]; ok && now.Sub(at) < toldAgain {
		return false
	}
	if len(t.at) >= maxTold {
		for k, at := range t.at {
			if now.Sub(at) >= toldAgain {
				delete(t.at, k)
			}
		}
	}
	if len(t.at) >= maxTold {
		return false
	}
	if t.at == nil {
		t.at = make(map[string]time.Time)
	}
	t.at[what] = now
	return true
}

// failed tells that an entry was not reached.
func (m *Mesh) failed(e *entry, why error) {
	m.cfg.Handler.Failed(e.address, why)
	if m.told.due("dial " + e.address + Reason(why)) {
		m.cfg.Log.Warn("Cluster Connection Failed", "Peer", e.address, "Reason", Reason(why), "Detail", why)
	}
}

// refuse tells that somebody was refused: an entry, or a stranger.
func (m *Mesh) refuse(e *entry, from netip.AddrPort, why error) {
	reason := Reason(why)
	m.refused.add(reason)
	address := from.Addr().String()
	if e != nil {
		address = e.address
	}
	room := &m.strangers // of their own: they take nothing from what is told of the entries
	if e != nil {
		room = &m.told
	}
	if !room.due("refuse " + address + " " + from.Addr().String() + reason) {
		return
	}
	m.cfg.Handler.Failed(address, why)
	m.cfg.Log.Warn("Cluster Connection Refused", "Src-ip", from.Addr(), "Src-port", from.Port(), "Peer", address, "Reason", reason, "Detail", why)
}

// tellCertificate tells what an entry's certificate is like, if that is news.
func (m *Mesh) tellCertificate(e *entry, fault string) {
	if old := e.checked.Swap(&fault); old == nil || *old != fault {
		m.cfg.Handler.Certificate(e.address, fault)
	}
}

// Reason names why a peer is not spoken to in one word, for metrics and the log.
func Reason(err error) string {
	for _, r := range []struct {
		err  error
		name string
	}{
		{ErrResolve, "resolve"},
		{ErrUnlisted, "unlisted"},
		{ErrKey, "key"},
		{ErrOther, "other_node"},
		{ErrCertificate, "certificate"},
		{ErrSelf, "self"},
		{ErrDuplicate, "duplicate"},
		{ErrCluster, "cluster"},
		{ErrRefused, "refused"},
		{ErrBusy, "busy"},
		{ErrSlow, "slow"},
		{ErrProtocol, "protocol"},
		{ErrUnreachable, "unreachable"},
	} {
		if errors.Is(err, r.err) {
			return r.name
		}
	}
	return "other"
}
