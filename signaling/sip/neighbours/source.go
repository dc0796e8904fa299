package neighbours

import (
	"turnpike.dev/turnpike/control/zones"
	"turnpike.dev/turnpike/signaling/loop"
)

// Source returns the zone that a message comes from: of the list, or the Default Zone. It
// goes by the connection of a traversal client that has logged in; by the certificate
// that the sender has shown where it fits a zone with tls_verify (RFC 5922 section 7.4);
// and otherwise by the address: but never to a zone with tls_verify, for which an address
// proves nothing.
func (n *Neighbours) Source(src loop.Source) *zones.Zone {
	d, t := n.deps.Directory(), n.now.Load()
	if src.Conn != nil {
		if name, ok := n.conns.Load(src.Conn); ok {
			return orDefault(d, name.(string))
		}
		if t.ports[src.Local.Port()] != nil && !src.Conn.Dialled() {
			return d.Default() // nobody yet
		}
	}
	if src.Transport == loop.TLS && len(t.byName) > 0 {
		if l := t.shown(n.deps.Ways.PeerNames(src.Conn)); l != nil && l.kind != zones.TraversalServer {
			return orDefault(d, l.name)
		}
	}
	z := d.BySource(src.Remote)
	if l := t.lines[z.Name]; l != nil && l.settings.Verify {
		return d.Default()
	}
	return z
}

// shown returns the zone with tls_verify that one of a certificate's names belongs to.
func (t *table) shown(names []string) *line {
	for _, name := range names {
		if l := t.byName[fold(name)]; l != nil {
			return l
		}
	}
	return nil
}

// orDefault is a zone that may have gone from the configuration meanwhile.
func orDefault(d *zones.Directory, name string) *zones.Zone {
	if z := d.ByName(name); z != nil {
		return z
	}
	return d.Default()
}
