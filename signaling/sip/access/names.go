package access

import (
	"strings"

	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

// certified returns the names in the certificate that the other side of a connection
// showed: its SANs and, as access rules are written for it too, its CN. None where it
// shows no certificate that is believed.
func (g *Guard) certified(c *loop.Conn) []string {
	if names, ok := g.names.Load(c); ok {
		return names.([]string)
	}
	names := g.read(c)
	g.names.Store(c, names)
	if c.Why() != nil { // closed meanwhile: nobody would forget it
		g.names.Delete(c)
	}
	return names
}

func (g *Guard) read(c *loop.Conn) []string {
	state, ok := c.State()
	if !ok || g.Roots == nil || len(state.PeerCertificates) == 0 {
		return nil
	}
	names, err := transport.Identities(state, g.Roots())
	if err != nil {
		return nil
	}
	if cn := state.PeerCertificates[0].Subject.CommonName; cn != "" {
		names = append(names, strings.ToLower(cn))
	}
	return names
}
