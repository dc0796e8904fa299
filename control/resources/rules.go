package resources

import (
	"math"

	"turnpike.dev/turnpike/control/admission"
	"turnpike.dev/turnpike/control/bandwidth"
	"turnpike.dev/turnpike/control/config"
)

// key names an object for as long as configuration has it.
type key struct {
	kind bandwidth.Kind
	name string
}

// object is something that calls are charged on.
type object struct {
	key
	order    int                // of taking, the same for all
	counter  *admission.Counter // nil: a zone or a link, which have no limit
	part     *part              // nil too
	policing *policing          // of a pipe; nil: none. Resources.changing guards it
}

func newObject(k key, order int) *object {
	o := &object{key: k, order: order}
	if k.kind == bandwidth.AtSubzone || k.kind == bandwidth.AtPipe {
		o.counter = admission.NewCounter(o.String(), admission.Unlimited)
	}
	return o
}

// String names the object for operators.
func (o *object) String() string { return o.kind.String() + " " + o.name }

// partKinds are those of objects that have a counter.
var partKinds = map[bandwidth.Kind]PartKind{bandwidth.AtSubzone: SubzonePart, bandwidth.AtPipe: PipePart}

// inUse reports whether calls may have some of it. Of zones and links nobody counts what:
// they are when there are calls.
func (o *object) inUse(idle bool) bool {
	if o.counter == nil {
		return !idle
	}
	_, used := o.counter.Read()
	return used > 0
}

// rules are what calls are decided with. They never change.
type rules struct {
	plan        *bandwidth.Map
	one         map[key]ofOne
	objects     []*object       // by bandwidth.ID
	policed     map[string]bool // pipes
	defaultKbps int
	downspeed   bandwidth.Downspeed

	video, audio uint32 // units of a call
	most         int    // kbps that one call may ask for
}

// compile makes the rules of a configuration, without objects and units.
func compile(n *config.Node) (*rules, error) {
	c := mapOf(n)
	m, err := bandwidth.Compile(c)
	if err != nil {
		return nil, err
	}
	policed := map[string]bool{}
	for _, p := range n.Pipes {
		policed[p.Name] = bool(p.Policing)
	}
	return &rules{
		policed: policed,
		plan:    m, one: limitsOfOne(c), objects: make([]*object, len(m.Objects())),
		defaultKbps: n.Bandwidth.DefaultKbps,
		downspeed:   bandwidth.Downspeed{PerCall: bool(n.Bandwidth.DownspeedPerCall), Total: bool(n.Bandwidth.DownspeedTotal)},
	}, nil
}

// mostOf bounds what a call asks for, so that no number of calls that the platform carries
// makes an object run over that has no limit: who asks for terabits is granted gigabits.
func mostOf(c admission.Capacity) int {
	const crossings, least = 4, 65535
	return min(max(math.MaxUint32/(crossings*int(c.Total)), least), bandwidth.MaxKbps)
}

// asked is what a way asks for.
func (r *rules) asked(w Way) int {
	if w.Asked == 0 {
		return r.defaultKbps
	}
	return int(min(uint64(w.Asked), uint64(r.most)))
}

// Left implements bandwidth.Use for a call that has nothing yet.
func (r *rules) Left(id bandwidth.ID) (kbps int, limited bool) {
	return r.objects[id].left(0)
}

// left is what is left beside so much that a call has of it already.
func (o *object) left(had uint32) (kbps int, limited bool) {
	if o.counter == nil {
		return 0, false
	}
	ceiling, used := o.counter.Read()
	if ceiling == admission.Unlimited {
		return 0, false
	}
	used -= min(used, had)
	return int(ceiling - min(used, ceiling)), true
}

// spare is what is left for a call that has a part of it already.
type spare struct {
	rules *rules
	had   *held
}

// Left implements bandwidth.Use.
func (s spare) Left(id bandwidth.ID) (kbps int, limited bool) {
	o := s.rules.objects[id]
	return o.left(s.had.on(o))
}
