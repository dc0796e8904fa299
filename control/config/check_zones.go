package config

import "fmt"

// traversal checks what zones through a firewall need of SIP: a connection that is kept
// open, and on the server a port of the zone's own, which tells who connects. Of all zones it
// checks whose infrastructure they are.
func (c checker) traversal() {
	taken := map[Port]string{}
	if c.n.SIP.Mode {
		taken[c.n.SIP.TCP], taken[c.n.SIP.TLS] = "sip.tcp", "sip.tls"
	}
	delete(taken, 0)
	for _, z := range c.n.Zones {
		at := fmt.Sprintf("zones[%d].", z.Index)
		if z.Infrastructure && z.Type == ZoneDNS { // LI-04: nobody knows who that is
			c.wrong(at+"infrastructure", fmt.Sprintf("zone %s is whatever DNS finds, which is nobody's infrastructure", z.Name), "leave it out")
		}
		server := z.Type == ZoneTraversalServer
		if (server || z.Type == ZoneTraversalClient) && z.SIP.Transport == TransportUDP {
			c.wrong(at+"sip.transport", fmt.Sprintf("zone %s goes through a firewall, and UDP keeps no connection open", z.Name), "write tls or tcp")
		}
		if !server || z.Traversal.SIPPort == 0 {
			continue
		}
		if other, is := taken[z.Traversal.SIPPort]; is {
			c.wrong(at+"traversal.sip_port", fmt.Sprintf("port %d is %s", z.Traversal.SIPPort, other), "give the zone a port of its own, 7001 for example")
		}
		taken[z.Traversal.SIPPort] = "zone " + z.Name + "'s"
	}
}
