package mesh

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"turnpike.dev/turnpike/cluster/settings"
	"turnpike.dev/turnpike/cluster/wire"
)

// judgeKey decides whether an entry may be spoken to that shows a chain, before anything is said.
func (m *Mesh) judgeKey(e *entry, chain []*x509.Certificate) error {
	if len(chain) == 0 {
		return fmt.Errorf("it shows none: %w", ErrCertificate)
	}
	fault := m.fault(e.address, chain)
	same, known := m.pins.has(e.address, keyOf(chain[0]))
	if m.cfg.Enforce || same || !known || fault == "" {
		m.tellCertificate(e, fault)
	}
	switch {
	case m.cfg.Enforce && fault != "":
		return fmt.Errorf("%s: %w", fault, ErrCertificate)
	case known && !same && fault != "":
		return ErrKey
	}
	return nil
}

// judge decides whether an entry may be the node that says hello, with the key that it has proved. keep:
// at the first contact the key is pinned.
func (m *Mesh) judge(e *entry, h wire.Hello, chain []*x509.Certificate, keep bool) error {
	if h.ID == m.cfg.Self {
		return ErrSelf
	}
	if own := m.cfg.Hello().Settings; !settings.Speaks(own, h.Settings) {
		return fmt.Errorf("protocol %d there, %d here: upgrade step by step: %w", h.Settings.Protocol, own.Protocol, ErrProtocol)
	}
	proven := m.fault(e.address, chain) == "" // what Enforce would take may have a new key in Permissive too
	first, err := m.pins.judge(e.address, h.ID, keyOf(chain[0]), proven, func() bool { return keep && m.listed(e) })
	if _, ok := errors.AsType[*pinsError](err); ok {
		m.cfg.Log.Warn("Cluster Keys Not Written", "Detail", err)
		err = nil
	}
	if err != nil {
		return err
	}
	if first {
		m.cfg.Log.Event("Cluster Key Pinned", "Peer", e.address, "Peer-id", h.ID, "Detail", fmt.Sprintf("sha256 %x", keyOf(chain[0])))
	}
	return nil
}

// listed says whether an entry is one of the list still.
func (m *Mesh) listed(e *entry) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Contains(m.entries, e)
}

// whose returns the entry that a connection from an address may be of: of several that stand for the
// address the one whose key it shows.
func (m *Mesh) whose(from netip.Addr, chain []*x509.Certificate) *entry {
	all := m.candidates(from)
	for _, e := range all {
		if same, _ := m.pins.has(e.address, keyOf(chain[0])); same {
			return e
		}
	}
	for _, e := range all {
		if _, known := m.pins.has(e.address, [32]byte{}); !known && (!m.cfg.Enforce || m.fault(e.address, chain) == "") {
			return e
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all[0]
}
