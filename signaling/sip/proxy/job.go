package proxy

import (
	"slices"
	"strconv"
	"strings"

	"turnpike.dev/turnpike/control/dialplan"
	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip/access"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/peers"
	"turnpike.dev/turnpike/signaling/sip/places"
	"turnpike.dev/turnpike/signaling/sip/transaction"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

// job is a request on its way: the response context of RFC 3261 section 16.7.
type job struct {
	proxy    *Proxy
	t        *transaction.Server
	who      access.Caller
	breadth  int // of Max-Breadth, for all branches together
	share    int // of it, for each branch of the group
	result   dialplan.Result
	at       int // of the targets: those before have been tried
	branches []*branch
	pending  int // branches without a final answer
	best     *message.Message
	final    bool // a 6xx: nothing more is tried
	over     bool
}

// branch is the way to one target: its places are tried until one answers.
type branch struct {
	job    *job
	target dialplan.Target
	places []places.Place
	client *transaction.Client
	within bool  // of a dialog: there is one way only
	peer   uint8 // of the cluster, that is asked; 0: none
	done   bool
}

// next tries the next group of targets, as many at a time as the breadth allows (RFC 5393 section 5.3.3).
func (j *job) next() {
	for !j.over && !j.final && j.pending == 0 && j.at < len(j.result.Targets) {
		group := j.group()
		j.pending, j.share = len(group), max(1, j.breadth/max(1, len(group)))
		for _, t := range group {
			b := &branch{job: j, target: t}
			j.branches = append(j.branches, b)
			j.proxy.cfg.Places.Find(j.t.Shard(), &b.target, b.found)
		}
	}
	if j.pending == 0 && !j.over {
		j.giveUp()
	}
}

// group takes the targets that are tried next.
func (j *job) group() []dialplan.Target {
	number := j.result.Targets[j.at].Group
	var group []dialplan.Target
	for j.at < len(j.result.Targets) && j.result.Targets[j.at].Group == number && len(group) < j.breadth {
		if t := j.result.Targets[j.at]; t.Protocol == dialplan.SIP {
			group = append(group, t)
		}
		j.at++
	}
	return group
}

// giveUp answers with the best of what was said (RFC 3261 section 16.7, step 6).
func (j *job) giveUp() {
	j.over = true
	if j.best != nil {
		j.t.Respond(j.best)
		return
	}
	status, reason := refusal(j.result.Reason)
	if j.who.Peer != 0 && j.result.Reason == dialplan.Found {
		status, reason = 430, "Flow Failed" // the peer may try another one (RFC 5626 section 11.5)
	}
	j.t.Reply(status, reason)
}

// stop ends what is still under way: the request was answered, or is too old for an answer.
func (j *job) stop() {
	j.over = true
	for _, b := range j.branches {
		if b.client != nil && !b.done {
			b.client.Stop()
		}
	}
}

// found has the places of a branch.
func (b *branch) found(list []places.Place, err error) {
	if b.job.over || b.done {
		return
	}
	if err != nil {
		b.end()
		return
	}
	b.places = list
	b.try()
}

// try sends the request to the next place of the branch (RFC 3261 section 16.6).
func (b *branch) try() {
	if len(b.places) == 0 {
		b.end()
		return
	}
	place := b.places[0]
	b.places, b.peer = b.places[1:], place.Peer
	m := b.job.t.Request().Clone()
	m.SetURI(place.URI)                                     // step 2
	m.SetMaxForwards(min(b.target.HopCount, hopsOf(m)) - 1) // step 3
	m.SetRoutes(place.Routes...)                            // steps 6 and 7: policy says where it goes, not who sends it
	m.Set("Max-Breadth", strconv.Itoa(b.job.share))         // RFC 5393 section 5.3.3
	m.Del("Proxy-Authorization")                            // it was for us
	if !b.job.who.Trusted {
		m.Del("P-Asserted-Identity") // RFC 3325 section 5
	}
	b.note(m, place)
	if begins(m.Method()) && b.job.proxy.stay(m, b.job.t, b.job.who.Peer, place.Hop) != nil { // step 4
		b.try()
		return
	}
	b.send(m, place.Hop)
}

// note tells a peer of the cluster about the request, and nobody else.
func (b *branch) note(m *message.Message, place places.Place) {
	m.Del(peers.Header)
	if place.Peer == 0 {
		return
	}
	who := b.job.who
	note := peers.Note{
		Alias: b.target.Alias.String(), Subzone: who.Subzone, Authenticated: who.Authenticated, Endpoints: place.Endpoints,
	}
	if who.Zone != nil {
		note.Zone = who.Zone.Name
	}
	note.Put(m)
}

func (b *branch) send(m *message.Message, h transport.Hop) {
	p := b.job.proxy
	b.client = p.cfg.Layer.SendMarked(b.job.t.Shard(), m, h, b, p.signer.mark(b.job.t.Request()))
}

// begins reports whether a request may begin a dialog that has to come by here.
func begins(m message.Method) bool {
	return m == message.Subscribe || m == message.Refer || m == message.Notify
}

// Response is told by the transaction (transaction.User).
func (b *branch) Response(_ *transaction.Client, m *message.Message) {
	switch status := m.Status(); {
	case b.job.over || b.done || status < 200: // RFC 4320 section 4.1: no provisional response but our own 100
	case b.elsewhere(status) && len(b.places) > 0:
		b.try()
	case status < 300:
		b.job.over = true
		b.done = true
		m.PopVia()
		b.job.t.Respond(m) // RFC 3261 section 16.7, step 5; those that are still under way are stopped
	default:
		m.PopVia()
		b.job.take(m)
		b.end()
	}
}

// elsewhere reports whether another place may do what the one that was asked could not. A peer that knows the
// endpoint no more has lost it just now.
func (b *branch) elsewhere(status int) bool {
	switch status {
	case 503, 430: // RFC 3263 section 4.3, RFC 5626 section 5.3
		return true
	case 404:
		return b.peer != 0
	}
	return false
}

// Failed is told by the transaction (transaction.User).
func (b *branch) Failed(_ *transaction.Client, err error) {
	if b.job.over || b.done {
		return
	}
	if b.within { // RFC 5626 section 5.3: the flow is gone
		b.done, b.job.over = true, true
		b.job.t.Reply(failedStatus(err), "")
		return
	}
	b.try()
}

// end is told when nothing more can come of a branch.
func (b *branch) end() {
	if b.done {
		return
	}
	b.done = true
	b.job.pending--
	b.job.next()
}

// take keeps the better of two final responses (RFC 3261 section 16.7, step 6).
func (j *job) take(m *message.Message) {
	j.final = j.final || m.Status() >= 600
	if m.Status() == 503 { // ours to retry, not the caller's to avoid the node for
		m = message.NewResponse(j.t.Request(), 500, "")
	}
	if j.best == nil || rank(m.Status()) < rank(j.best.Status()) {
		j.best, m = m, j.best
	}
	if m == nil {
		return
	}
	for _, name := range []string{"WWW-Authenticate", "Proxy-Authenticate"} { // step 7
		if wants(j.best.Status()) && wants(m.Status()) {
			for _, v := range m.All(name) {
				j.best.Add(name, v)
			}
		}
	}
}

func wants(status int) bool { return status == 401 || status == 407 }

// rank orders final responses: 6xx, then what the caller can do something about, then the lowest class.
func rank(status int) int {
	switch {
	case status >= 600:
		return 0
	case slices.Contains([]int{401, 407, 415, 420, 484}, status):
		return 1
	case status < 400:
		return 2
	case status == 408:
		return 5
	case status < 500:
		return 3
	}
	return 4
}

// failedStatus is what is said of a transport that failed, or an answer that did not come.
func failedStatus(err error) int {
	switch {
	case isFlow(err):
		return 430 // RFC 5626 section 11.5
	case isTimeout(err):
		return 408 // which is not sent (RFC 4320)
	}
	return 503
}

// breadthOf is how many branches a request may have (RFC 5393 section 5.3.1).
func breadthOf(m *message.Message) int {
	n, err := strconv.ParseUint(strings.TrimSpace(m.Get("Max-Breadth")), 10, 16)
	if err != nil {
		return 60
	}
	return int(n)
}

// stay has the dialog that a request begins come by here, from either side (RFC 5658 section 4: one Record-Route for each).
// peer is who sent the request, of the cluster: that one can be connected to.
func (p *Proxy) stay(m *message.Message, t *transaction.Server, peer uint8, to transport.Hop) error {
	from := transport.AnswerHop(t.Source(), t.Request().Via())
	if from.Transport != loop.UDP && peer == 0 { // a phone is reached over its connection, and no other way
		from.Only, from.Remote, from.Name = true, t.Source().Remote, ""
	}
	for _, h := range []transport.Hop{from, to} {
		at, err := p.cfg.Local(h)
		if err != nil {
			return err
		}
		m.PushRecordRoute(p.signer.route(h, at))
	}
	return nil
}
