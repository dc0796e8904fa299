package main

import (
	"fmt"
	"slices"
	"time"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/config/store"
	"turnpike.dev/turnpike/control/eventlog"
)

// openStore opens a node's configuration store.
func openStore(state *stateDir, told store.Alarms, log *eventlog.Log) (*store.Store, error) {
	dir, err := store.OpenDir(state.file(configDir))
	if err != nil {
		return nil, err
	}
	return store.Open(store.Config{Files: dir, Alarms: told, Log: log, Now: time.Now})
}

// settle puts what of a node file counts into the store: items that belong to the
// node always (PS), the shared ones until somebody changes them in another way, or
// the primary of a cluster does. Then the file's are ignored, and ignored says so.
func settle(s *store.Store, file string, n *config.Node) (ignored string, err error) {
	p := store.Proposal{Author: fileAuthor(file), Document: n, File: true}
	if cur := s.Current(); cur != nil && (!cur.File || s.Clustered()) {
		p.Scope = config.ScopePeer
		ignored, err = ignoredOf(cur, n, file)
		if err != nil {
			return "", err
		}
	}
	if _, err := s.Propose(p); err != nil {
		return "", fmt.Errorf("%s does not fit the stored configuration: %w", file, err)
	}
	return ignored, nil
}

func fileAuthor(file string) store.Author { return store.Author{User: "node file", From: file} }

// ignoredOf says which shared items of a node file are not in force.
func ignoredOf(cur *store.Snapshot, n *config.Node, file string) (string, error) {
	merged, err := config.Merge(cur.Node, n)
	if err != nil {
		return "", err
	}
	changes := config.Diff(cur.Node, merged)
	if cur.Shared != nil { // what a file leaves out is not for this node to say
		changes = written(changes, n)
	}
	switch {
	case len(changes) == 0:
		return "", nil
	case cur.Shared != nil:
		return fmt.Sprintf("%d items of %s are not in force, beginning with %s: the cluster shares them, and its primary has others. Change them there",
			len(changes), file, changes[0].Path), nil
	}
	return fmt.Sprintf("%d items of %s are not in force, beginning with %s: the configuration was changed by command since. See them with `turnpike config diff %s`, take them over with `turnpike config apply %s`",
		len(changes), file, changes[0].Path, file, file), nil
}

// written keeps the changes whose items a tree sets to something else than the default.
func written(changes []config.Change, n *config.Node) []config.Change {
	set := map[string]bool{}
	for _, c := range config.Diff(config.Default(), n) {
		set[c.Path] = true
	}
	return slices.DeleteFunc(changes, func(c config.Change) bool { return !set[c.Path] })
}
