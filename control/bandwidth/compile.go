package bandwidth

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// ID names an object of a Map: a subzone or zone, a link, or a pipe. IDs are small
// numbers, so that counters can stand in a slice.
type ID uint32

// Kind is what an object is.
type Kind uint8

// Kinds of objects.
const (
	AtSubzone Kind = iota
	AtZone
	AtLink
	AtPipe
)

// String returns the kind as it is shown.
func (k Kind) String() string {
	return [...]string{"subzone", "zone", "link", "pipe"}[k]
}

// Object is what calls are counted on.
type Object struct {
	Kind  Kind
	Name  string
	Total Limit // of all calls together; zones and links have none
}

// Map is a compiled Config. It never changes; any number of goroutines may use it.
type Map struct {
	objects []Object // nodes, then links, then pipes
	nodes   []node
	links   []link
	byName  map[string]int // nodes
	middle  int            // the Traversal Subzone

	plans sync.Map // of planKey to *Plan
	kept  atomic.Int64
}

type node struct {
	zone          bool
	within, inOut Limit
	links         []int // in the order of configuration
}

type link struct {
	a, b   int
	id     ID
	pipes  []int   // of Config.Pipes
	ids    []ID    // of them
	along  []bool  // whether from a to b is the forward direction of each
	limits []Limit // of one call, on each
}

func (l *link) other(n int) int { return l.a + l.b - n }

// Compile makes a Map, or returns everything that is wrong, each with the object's name.
func Compile(c Config) (*Map, error) {
	m := &Map{byName: map[string]int{}}
	var errs []error
	for _, many := range []struct {
		what      string
		have, may int
	}{{"subzones", len(c.Subzones), MaxSubzones + 2}, {"zones", len(c.Zones), MaxZones + 1}, {"links", len(c.Links), MaxLinks}, {"pipes", len(c.Pipes), MaxPipes}} {
		if many.have > many.may {
			errs = append(errs, fmt.Errorf("%d %s are too many: a node has up to %d", many.have, many.what, many.may))
		}
	}
	for _, s := range c.Subzones {
		errs = append(errs, m.addNode(Object{Kind: AtSubzone, Name: s.Name, Total: s.Total}, node{within: s.Within, inOut: s.InOut}))
	}
	m.middle = len(m.nodes)
	t := c.Traversal
	errs = append(errs, m.addNode(Object{Kind: AtSubzone, Name: t.Name, Total: t.Total}, node{within: t.PerCall, inOut: t.PerCall}))
	for _, z := range c.Zones {
		errs = append(errs, m.addNode(Object{Kind: AtZone, Name: z}, node{zone: true}))
	}
	errs = append(errs, m.addLinks(c))
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *Map) addNode(o Object, n node) error {
	if _, taken := m.byName[o.Name]; taken || o.Name == "" {
		return fmt.Errorf("%s %q: the name is taken or empty", o.Kind, o.Name)
	}
	m.byName[o.Name] = len(m.nodes)
	m.nodes, m.objects = append(m.nodes, n), append(m.objects, o)
	return nil
}

func (m *Map) addLinks(c Config) error {
	var errs []error
	pipes := make(map[string]int, len(c.Pipes))
	for i, p := range c.Pipes {
		pipes[p.Name] = i
	}
	first := len(m.objects)
	around := make([]sides, len(c.Pipes))
	for _, l := range c.Links {
		added, err := m.newLink(l, c.Pipes, pipes, first+len(c.Links))
		if err != nil {
			errs = append(errs, fmt.Errorf("link %q: %w", l.Name, err))
			continue
		}
		added.id = ID(len(m.objects))
		for _, pipe := range added.pipes {
			added.along = append(added.along, around[pipe].along(added.a, added.b))
		}
		for _, end := range []int{added.a, added.b} {
			m.nodes[end].links = append(m.nodes[end].links, len(m.links))
		}
		m.links, m.objects = append(m.links, added), append(m.objects, Object{Kind: AtLink, Name: l.Name})
	}
	for _, p := range c.Pipes {
		m.objects = append(m.objects, Object{Kind: AtPipe, Name: p.Name, Total: p.Total})
	}
	return errors.Join(errs...)
}

func (m *Map) newLink(l Link, all []Pipe, pipes map[string]int, firstPipe int) (link, error) {
	a, knownA := m.byName[l.A]
	b, knownB := m.byName[l.B]
	switch {
	case !knownA:
		return link{}, fmt.Errorf("%w: %q", ErrUnknown, l.A)
	case !knownB:
		return link{}, fmt.Errorf("%w: %q", ErrUnknown, l.B)
	case a == b:
		return link{}, fmt.Errorf("both ends are %q: name two", l.A)
	}
	out := link{a: a, b: b}
	for _, name := range []string{l.Pipe1, l.Pipe2} {
		if name == "" {
			continue
		}
		i, known := pipes[name]
		if !known {
			return link{}, fmt.Errorf("there is no pipe %q", name)
		}
		out.pipes, out.ids = append(out.pipes, i), append(out.ids, ID(firstPipe+i))
		out.limits = append(out.limits, all[i].PerCall)
	}
	return out, nil
}

// Objects lists what calls are counted on, by ID.
func (m *Map) Objects() []Object { return m.objects }
