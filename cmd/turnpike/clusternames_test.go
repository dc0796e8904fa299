package main

import (
	"net/netip"
	"testing"

	"turnpike.dev/turnpike/control/config"
)

// CL-01, CL-07: a node finds itself in the list by its addresses, its own name, or what a mapping says.
func TestWhichPeerIsThisNode(t *testing.T) {
	here, there := netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.1")
	l := names{addrs: []netip.Addr{here}, nic: here, host: "tp2.example.test"}
	mapping := config.Mapping{Mode: true, Entries: []config.AddressMap{{Name: "A.example.test", Address: there}, {Name: "B.example.test", Address: here}}}
	off := mapping
	off.Mode = false
	for name, tc := range map[string]struct {
		peers   []string
		mapping config.Mapping
		want    int
	}{
		"address":               {[]string{"10.0.0.1", "10.0.0.2"}, config.Mapping{}, 1},
		"own name":              {[]string{"TP2.example.test", "10.0.0.1"}, config.Mapping{}, 0},
		"mapped name":           {[]string{"a.example.test", "b.example.test"}, mapping, 1},
		"mapping is off":        {[]string{"a.example.test", "b.example.test"}, off, -1},
		"mapped to another":     {[]string{"a.example.test"}, mapping, -1},
		"not there":             {[]string{"10.0.0.1", "10.0.0.3"}, config.Mapping{}, -1},
		"the list was emptied":  {nil, mapping, -1},
		"IPv4 written in IPv6":  {[]string{"::ffff:10.0.0.2"}, config.Mapping{}, 0},
		"another node's domain": {[]string{"tp2.other.test"}, config.Mapping{}, -1},
	} {
		t.Run(name, func(t *testing.T) {
			c := config.Default()
			c.Cluster.Peers, c.Mapping = tc.peers, tc.mapping
			if got := l.index(c); got != tc.want {
				t.Errorf("it is entry %d, want %d", got, tc.want)
			}
			if got := l.local(c); got != here {
				t.Errorf("peers find it at %s", got)
			}
		})
	}
}
