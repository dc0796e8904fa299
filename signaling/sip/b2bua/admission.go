package b2bua

import (
	"errors"
	"fmt"
	"slices"

	"turnpike.dev/turnpike/control/calls"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/resources"
	"turnpike.dev/turnpike/control/zones"
	"turnpike.dev/turnpike/licensing"
)

// Resources decides what a call may have of the node: capacity, licences and bandwidth
// (control/resources).
type Resources interface {
	Admit(serial string, w resources.Want) (*resources.Grant, error)
	// Await has a call tried again for which licences may be on their way from other peers.
	Await(w *resources.Waiter, of *resources.Shortage, again func()) bool
}

var _ Resources = (*resources.Resources)(nil)

// ask is how something is asked for.
type ask struct {
	anew    bool // also what was refused before: of a new offer
	patient bool // no less than that, where other peers of the cluster may have it
	waited  bool // it was asked for so, and not enough came
}

// admit takes what a fork needs, before its INVITE is sent: with the first one the call is
// admitted, each further one is another way of the same call (BW-03).
func (c *call) admit(f *fork, how ask) error {
	if c.b.cfg.Resources == nil {
		return nil
	}
	m := f.media
	m.share = &share{call: c, media: m, way: resources.Way{
		From: c.party(&c.a), To: c.party(&f.end), Traversal: m.relay != nil,
	}}
	asked, streams := c.b.cfg.Policy.DefaultKbps(), 0 // it waits for the callee's offer
	if c.offer != nil {
		asked, streams = m.share.asks(c.offer.session), m.share.ports(c.offer.session)
	}
	c.want = resources.Want{} // a share that is new learns what it has, also of a grant that stays the same
	err := m.share.take(asked, streams, how)
	if err != nil {
		m.share = nil
	}
	return err
}

// party is an end of the call as licences and links see it.
func (c *call) party(e *end) resources.Party {
	if e.peer != 0 {
		return c.peerParty(e, false)
	}
	p := resources.Party{Node: e.subzone, Party: licensing.Party{SIP: true}}
	switch {
	case registered(e.zone, e.subzone):
		p.Registered = true
		if p.Node == "" {
			p.Node = config.DefaultSubzoneName
		}
	case e.zone == nil || e.zone.Type == zones.Default:
		p.Node, p.Stranger = config.DefaultZoneName, true
	default:
		p.Node, p.Registered = e.zone.Name, c.b.cfg.Policy.Infrastructure(e.zone)
	}
	return p
}

// shares are those of the forks that may still be answered; of a call that was, the
// winner's.
func (c *call) shares() []*share {
	if c.won != nil {
		return []*share{c.won.fork.media.share}
	}
	all := make([]*share, 0, len(c.forks))
	for _, f := range c.forks {
		if f.state < cancelling && f.media != nil && f.media.share != nil {
			all = append(all, f.media.share)
		}
	}
	return all
}

// regrant brings the grant to what the call wants now; where that is refused, the grant is
// as it was.
func (c *call) regrant(how ask) error {
	all := c.shares()
	w := resources.Want{Ways: make([]resources.Way, len(all)), Connected: c.won != nil, Beyond: c.who.Peer != 0, Anew: how.anew, Patient: how.patient, Waited: how.waited}
	for i, s := range all {
		w.Ways[i], w.Streams = s.way, max(w.Streams, s.streams)
	}
	if c.phase == over || c.grant != nil && !how.anew && same(w, c.want) {
		return nil
	}
	var err error
	if c.grant == nil {
		c.grant, err = c.b.cfg.Resources.Admit(c.serial(), w)
	} else {
		err = c.grant.Change(w)
	}
	if err != nil {
		return err
	}
	c.want = w
	c.granted(all, c.grant.Granted())
	return nil
}

func same(a, b resources.Want) bool {
	return a.Connected == b.Connected && a.Streams == b.Streams && slices.Equal(a.Ways, b.Ways)
}

// granted puts what the call has in force.
func (c *call) granted(all []*share, g resources.Granted) {
	for i, s := range all {
		s.kbps, s.short = g.Kbps[i], g.Kbps[i] < s.way.Asked
		s.policed = s.media.relay != nil && (s.policed || g.Police.Kbps > 0)
	}
	if len(all) == 1 {
		all[0].police(g.Police)
		c.noteGrant(all[0], g)
	}
}

// police has the kernel hold the ends to the grant, where a pipe on the way wants that
// (BW-06).
func (s *share) police(p resources.Police) {
	if s.media.relay == nil || p.Kbps == 0 && !s.policed {
		return
	}
	s.policed = p.Kbps > 0
	s.media.relay.Grant(p.Kbps, p.Groups)
}

// overGrant: the ends send more than was granted, and are held to it.
func (c *call) overGrant(policedKbps uint32) {
	if c.phase == over {
		return
	}
	if c.entry != nil {
		c.entry.Tell("Call Over Bandwidth", fmt.Sprintf("%d kbit/s more than granted were not carried", policedKbps))
	}
	if c.b.cfg.Policy.EndsOverGrant() {
		c.endBy(byGrant)
	}
}

// shrink gives back what forks had that cannot be answered any more.
func (c *call) shrink() {
	if c.grant == nil || c.phase == over || len(c.shares()) == 0 {
		return
	}
	_ = c.regrant(ask{}) // less is never refused
}

// letGo gives back everything that the call has.
func (c *call) letGo() {
	if c.grant != nil {
		c.grant.Release()
	}
}

// serial names the call to who is asked for resources.
func (c *call) serial() string {
	if c.entry != nil {
		return c.entry.Serial()
	}
	return c.owner
}

// shortage is what the caller is told when the call is not admitted (CA-04).
func shortage(r *resources.Refusal) answer {
	a := answer{status: 480, reason: r.Why.String(), kind: calls.NoBandwidth, later: true, why: r}
	switch r.Why {
	case resources.OverCapacity:
		a.status, a.reason, a.kind = 503, "", calls.Overloaded
	case resources.NoLicence:
		a.status, a.reason, a.kind = 503, "", calls.NoLicence
	case resources.NoWay, resources.Ended:
		a.reason, a.kind, a.later = "No Links Lead There", calls.Unreachable, false
	}
	return a
}

// warning is what a party reads of a refusal (RFC 3261 section 20.43). What was short is for
// operators: names of pipes and subzones stay inside.
func warning(r *resources.Refusal) (code, text string) {
	if r.Why == resources.OverPerCall || r.Why == resources.OverTotal {
		return "370", r.Why.String()
	}
	return "399", r.Why.String()
}

// within is the status for a description that cannot be passed within a call: one that ends
// neither dialog nor call (RFC 5057 section 5.1).
func within(err error) int {
	var r *resources.Refusal
	if errors.As(err, &r) {
		return 488
	}
	return answerTo(err).status
}
