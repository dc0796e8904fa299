package main

import (
	"time"

	"turnpike.dev/turnpike/control/licences"
	"turnpike.dev/turnpike/control/resources"
	"turnpike.dev/turnpike/licensing"
)

// installed is what the option keys of the node give now. It changes when the
// configuration does and when a key ends.
func (n *node) installed() licensing.Installed {
	return licensing.Install(licences.Read(n.running(), n.id, time.Now()))
}

// license lets the node know its option keys. What is short of its resources is told to
// whom it returns.
func (n *node) license() *licences.Keeper {
	n.licences = licences.New(licences.Deps{
		Node: n.id, Config: n.running, Levels: n.levels, Alarms: n.board, Log: n.log,
		Changed: func(licensing.Installed) { n.supply() },
	})
	return n.licences
}

// levels are how full the limits of the node are.
func (n *node) levels() []resources.Level { return n.resources.Levels() }
