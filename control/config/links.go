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
	if next.Clustered() && !old.Clustered() && !next.joined(clusterLink) {
		l := clusterLink
		l.Index = next.freeLinkIndex()
		next.Links = append(next.Links, l)
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
	index := n.freeLinkIndex()
	if n.linkNamed(name) {
		name = fmt.Sprintf("link%d", index)
	}
	n.Links = append(n.Links, Link{Index: index, Name: name, Node1: a, Node2: b})
}

func (n *Node) freeLinkIndex() int {
	index := 1
	for _, l := range n.Links {
		index = max(index, l.Index+1)
	}
	return index
}

func (n *Node) linkNamed(name string) bool {
	return slices.ContainsFunc(n.Links, func(l Link) bool { return l.Name == name })
}

// joined reports whether a link joins the same two ends, whatever its name.
func (n *Node) joined(l Link) bool {
	return slices.ContainsFunc(n.Links, func(have Link) bool { return have.joins(l.Node1, l.Node2) })
}

func (l Link) joins(a, b string) bool {
	return l.Node1 == a && l.Node2 == b || l.Node1 == b && l.Node2 == a
}
