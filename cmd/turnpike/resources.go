package main

import (
	"fmt"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/config/store"
	"turnpike.dev/turnpike/control/eventlog"
	"turnpike.dev/turnpike/control/resources"
)

// given are the paths of what the node's resources depend on.
var given = []string{
	"pipes", "links", "bandwidth", "subzones", "default_subzone", "traversal_subzone", "zones",
	"calls", "registrations", "turn", "option_keys", "licensing", "cluster", "cluster_redundancy",
}

// provide gives the node what it has to give to calls, registrations and relays, and what
// calls of the process before have of it for as long as their media goes on.
func (n *node) provide(c *config.Node, state *stateDir, log *eventlog.Log) error {
	journal, err := resources.OpenJournal(state.file(grantsFile), func(err error) { n.note(err.Error()) })
	if err != nil {
		n.note(err.Error())
	}
	keys := n.license()
	n.resources, err = resources.New(c, keys.Installed(), resources.Deps{Ledger: shortage{n}, Journal: journal, Log: log.Module("control.resources")})
	if err != nil {
		return fmt.Errorf("compile subzones, links and pipes: %w", err)
	}
	if _, err := n.resources.Recover(); err != nil {
		n.note(err.Error())
	}
	n.store.Subscribe(func(store.Update) { n.supply() }, given...)
	return nil
}

// supply puts what configuration and option keys give by now in force. Whoever notices
// that an option key has ended calls it too.
func (n *node) supply() {
	n.supplying.Lock()
	defer n.supplying.Unlock()
	if err := n.resources.Change(n.running(), n.licences.Installed()); err != nil {
		n.log.Error("System Configuration Not Applied", "Detail", fmt.Sprintf("what calls may use stays as it was: %v", err))
	}
}

// callsUsed is how many calls have a grant, those included that a process before left and
// whose media still goes on, of how many the node carries without video.
func (n *node) callsUsed(c *config.Node) api.Usage {
	return api.Usage{Used: n.resources.Calls(), Limit: c.MaxCalls()}
}

// relaysUsed is how many relays there are, of how many.
func (n *node) relaysUsed(c *config.Node) api.Usage {
	if n.resources == nil {
		return api.Usage{Limit: c.MaxRelays()}
	}
	limit, used := n.resources.Relays().Read()
	return api.Usage{Used: int(used), Limit: int(limit)}
}
