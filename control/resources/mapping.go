package resources

import (
	"turnpike.dev/turnpike/control/bandwidth"
	"turnpike.dev/turnpike/control/config"
)

// mapOf says in the words of control/bandwidth what a configuration says of subzones,
// zones, links and pipes.
func mapOf(n *config.Node) bandwidth.Config {
	c := bandwidth.Config{
		Subzones: []bandwidth.Subzone{
			subzoneOf(config.DefaultSubzoneName, n.DefaultSubzone.Bandwidth),
			{Name: config.ClusterSubzoneName}, // has no limits (facts A1.2)
		},
		Traversal: bandwidth.Traversal{
			Name:  config.TraversalSubzoneName,
			Total: limitOf(n.Traversal.Total), PerCall: limitOf(n.Traversal.PerCall),
		},
		Zones: []string{config.DefaultZoneName},
	}
	for _, s := range n.Subzones {
		c.Subzones = append(c.Subzones, subzoneOf(s.Name, s.Bandwidth))
	}
	for _, z := range n.Zones {
		c.Zones = append(c.Zones, z.Name)
	}
	for _, p := range n.Pipes {
		c.Pipes = append(c.Pipes, bandwidth.Pipe{Name: p.Name, Total: limitOf(p.Total), PerCall: limitOf(p.PerCall)})
	}
	for _, l := range n.Links {
		c.Links = append(c.Links, bandwidth.Link{Name: l.Name, A: l.Node1, B: l.Node2, Pipe1: l.Pipe1, Pipe2: l.Pipe2})
	}
	return c
}

func subzoneOf(name string, l config.SubzoneLimits) bandwidth.Subzone {
	return bandwidth.Subzone{Name: name, Total: limitOf(l.Total), Within: limitOf(l.Within), InOut: limitOf(l.InOut)}
}

func limitOf(l config.Limit) bandwidth.Limit {
	kbps, limited := l.Allows()
	return bandwidth.Limit{Kbps: kbps, Limited: limited}
}
