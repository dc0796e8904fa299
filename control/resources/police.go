package resources

import (
	"slices"

	"turnpike.dev/turnpike/control/admission"
	"turnpike.dev/turnpike/control/bandwidth"
	"turnpike.dev/turnpike/dataplane/relay"
)

// policing is the buckets of a pipe, one for each direction (BW-06).
type policing struct {
	groups [2]relay.Group // forward and backward, as bandwidth.Crossing says them
	kbps   uint32         // that they are set to; 0: they only count
}

// Police gives Resources the buckets of pipes, where Deps had none yet.
func (r *Resources) Police(p relay.Policer) {
	r.changing.Lock()
	defer r.changing.Unlock()
	r.deps.Policer = p
	r.police()
}

// police opens, sets and closes the buckets of pipes. changing is held.
func (r *Resources) police() {
	if r.deps.Policer == nil {
		return
	}
	r.policed = r.policed[:0]
	for k, o := range r.objects {
		if k.kind != bandwidth.AtPipe {
			continue
		}
		wanted := r.rules.policed[k.name]
		switch {
		case wanted && o.policing == nil:
			o.policing = r.openBuckets(o)
		case !wanted && o.policing != nil:
			for _, g := range o.policing.groups {
				r.deps.Policer.CloseGroup(g) // flows that have it go on without
			}
			o.policing = nil
		}
		if o.policing != nil {
			r.policed = append(r.policed, o)
		}
	}
	r.setBuckets()
}

func (r *Resources) openBuckets(o *object) *policing {
	p := &policing{kbps: o.rate()}
	for i, direction := range []string{" forward", " backward"} {
		g, err := r.deps.Policer.OpenGroup(o.String()+direction, p.kbps, relay.PipeDepth)
		if err != nil {
			r.deps.Policer.CloseGroup(p.groups[0])
			r.event("Pipe Not Policed", "Pipe", o.name, "Detail", err.Error())
			return nil
		}
		p.groups[i] = g
	}
	return p
}

// setBuckets sets those to what their pipes have that are set to something else.
func (r *Resources) setBuckets() {
	for _, o := range r.policed {
		r.setBucket(o)
	}
}

func (r *Resources) setBucket(o *object) {
	if o.policing.kbps == o.rate() {
		return
	}
	o.policing.kbps = o.rate()
	for _, g := range o.policing.groups {
		if err := r.deps.Policer.SetGroup(g, o.policing.kbps, relay.PipeDepth); err != nil {
			r.event("Pipe Not Policed", "Pipe", o.name, "Detail", err.Error())
		}
	}
}

// follow lets the buckets follow what is in use where that is more than there is.
func (r *Resources) follow() {
	r.changing.Lock()
	defer r.changing.Unlock()
	if r.deps.Policer != nil {
		r.setBuckets()
	}
}

// rate is what a pipe's calls may send in one direction: what there is, of a pipe that a cluster shares what this node
// has of it, or what they were granted when there was more. 0 does not limit.
func (o *object) rate() uint32 {
	ceiling, used := o.counter.Read()
	if ceiling == admission.Unlimited {
		return 0
	}
	return max(ceiling, used, 1)
}

// police says what the data plane holds a call to. changing is held.
func (h *held) police() Police {
	var p Police
	if len(h.lanes) == 0 {
		return p
	}
	l := &h.lanes[0]
	for _, c := range l.plan.Crossings {
		o := l.objects[c.ID]
		if o.policing == nil {
			continue
		}
		for direction, crossed := range [2]int{c.Forward, c.Backward} {
			if crossed > 0 { // by the caller's media, and the other way by the called party's
				p.add(0, o.policing.groups[direction])
				p.add(1, o.policing.groups[1-direction])
			}
		}
	}
	if len(p.Groups[0]) > 0 {
		p.Kbps = h.kbps()
	}
	return p
}

// add adds a bucket, as far as a flow has room beside the call's own.
func (p *Police) add(direction int, g relay.Group) {
	if list := &p.Groups[direction]; len(*list) < relay.MaxGroups-1 && !slices.Contains(*list, g) {
		*list = append(*list, g)
	}
}

// kbps is the most that a way of the call has.
func (h *held) kbps() uint32 {
	most := 0
	for _, l := range h.lanes {
		most = max(most, l.kbps)
	}
	return uint32(most)
}

func (r *Resources) event(name string, kv ...any) {
	if r.deps.Log != nil {
		r.deps.Log.Event(name, kv...)
	}
}
