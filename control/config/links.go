package config

import (
	"fmt"
	"slices"
	"strings"
)

// addLinks gives zones and subzones that are new in next the links they need to
// take part in calls, unless the change brings some of its own (facts A1.3).
func addLinks(old, next *Node) {
	zones := map[string]bool{}
	for _, z := range old.Zones {
		zones[z.Name] = true
	}
	for _, z := range next.Zones {
		if zones[z.Name] || next.linked(z.Name) {
			continue
		}
		if z.Type == ZoneNeighbour || z.Type == ZoneDNS {
			next.link(z.Name, DefaultSubzoneName)
		}
		next.link(z.Name, TraversalSubzoneName)
	}
	subzones := map[string]bool{}
	for _, s := range old.Subzones {
		subzones[s.Name] = true
	}
	for _, s := range next.Subzones {
		if subzones[s.Name] || next.linked(s.Name) {
			continue
		}
		next.link(s.Name, DefaultSubzoneName)
		next.link(s.Name, TraversalSubzoneName)
	}
	dropLinks(next, zones, subzones)
}

// dropLinks takes away the links of zones and subzones that are gone.
func dropLinks(next *Node, zones, subzones map[string]bool) {
	for _, z := range next.Zones {
		delete(zones, z.Name)
	}
	for _, s := range next.Subzones {
		delete(subzones, s.Name)
	}
	next.Links = slices.DeleteFunc(next.Links, func(l Link) bool {
		return zones[l.Node1] || zones[l.Node2] || subzones[l.Node1] || subzones[l.Node2]
	})
}

func (n *Node) linked(name string) bool {
	return slices.ContainsFunc(n.Links, func(l Link) bool { return l.Node1 == name || l.Node2 == name })
}

// link adds a link under a name that is free.
func (n *Node) link(a, b string) {
	short := strings.NewReplacer("DefaultSubZone", "DefaultSZ", "TraversalSubZone", "TraversalSZ").Replace(b)
	name := a
	if most := 50 - len("to") - len(short); len(name) > most {
		name = strings.ToValidUTF8(name[:most], "")
	}
	name += "to" + short
	index := 1
	for _, l := range n.Links {
		if l.Index >= index {
			index = l.Index + 1
		}
	}
	if slices.ContainsFunc(n.Links, func(l Link) bool { return l.Name == name }) {
		name = fmt.Sprintf("link%d", index)
	}
	n.Links = append(n.Links, Link{Index: index, Name: name, Node1: a, Node2: b})
}

// RestoreDefaultLinks returns the operations that bring missing shipped links back
// (DefaultLinksAdd, facts A1.3).
func RestoreDefaultLinks(n *Node) []Operation {
	var ops []Operation
	for _, l := range defaultLinks() {
		if slices.ContainsFunc(n.Links, func(have Link) bool { return have.Name == l.Name }) {
			continue
		}
		at := fmt.Sprintf("links[%s].", l.Name)
		ops = append(ops, Operation{Verb: Set, Path: at + "node1", Text: l.Node1}, Operation{Verb: Set, Path: at + "node2", Text: l.Node2})
	}
	return ops
}
