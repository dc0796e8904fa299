package main

import (
	"time"

	"turnpike.dev/turnpike/control/licences"
	"turnpike.dev/turnpike/licensing"
)

// installed is what the option keys of the node give now. It changes when the
// configuration does and when a key ends.
func (n *node) installed() licensing.Installed {
	return licensing.Install(licences.Read(n.running(), n.id, time.Now()))
}
