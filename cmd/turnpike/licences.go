package main

import (
	"time"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/licensing"
)

// installed is what the option keys of the node give now. It changes when the
// configuration does and when a key ends.
func (n *node) installed() licensing.Installed {
	return licensing.Install(optionsOf(n.running(), n.id, time.Now()))
}

// optionsOf reads the option keys of a configuration as a node at a time does.
func optionsOf(c *config.Node, id string, now time.Time) []licensing.Option {
	texts := make([]string, len(c.OptionKeys))
	for i, k := range c.OptionKeys {
		texts[i] = k.Name
	}
	return licensing.Read(texts, issuersOf(c), id, now)
}

// issuersOf are those whose option keys count.
func issuersOf(c *config.Node) []licensing.Issuer {
	var out []licensing.Issuer
	for _, i := range c.Licensing.Issuers {
		if key, err := i.Key(); err == nil { // the configuration was checked
			out = append(out, licensing.Issuer{Name: i.Name, Key: key})
		}
	}
	return out
}
