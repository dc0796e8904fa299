package b2bua

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/licensing"
	"turnpike.dev/turnpike/signaling/sip/message"
)

// recorder is a testing.TB that only remembers what failed: rapid wants to try again with
// less, and a bubble ends in a goroutine of its own.
type recorder struct {
	testing.TB
	failures []string
}

func (r *recorder) Helper() {}
func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	panic(r)
}

// wild plays a script of bytes: ends that say anything at any time, over a wire that loses
// and repeats.
type wild struct {
	*rig
	script  []byte
	phones  []*wildPhone
	finals  map[string]map[int]bool // statuses of final responses by branch and method
	asked   map[string]bool         // INVITEs and BYEs that arrived
	percent uint64                  // of the messages that are lost
	calls   int
}

type wildPhone struct {
	*phone
	todo []*message.Message // requests to answer
	oks  []*message.Message // 2xx to acknowledge
	prov []*message.Message // reliable ones to acknowledge
	req  *message.Message   // the INVITE that began
}

func (w *wild) next() int {
	if len(w.script) == 0 {
		return 0
	}
	b := w.script[0]
	w.script = w.script[1:]
	return int(b)
}

func (w *wild) pick() *wildPhone { return w.phones[w.next()%len(w.phones)] }

func (w *wild) step() {
	switch op := w.next() % 12; op {
	case 0:
		w.begin(w.phones[0])
	case 1:
		if p := w.phones[0]; p.req != nil {
			p.cancel(p.req)
		}
	case 2, 3, 4:
		w.readAll(w.pick())
	case 5, 6:
		w.reply(w.pick())
	case 7:
		w.acknowledge(w.pick())
	case 8:
		w.within(w.pick())
	case 9:
		time.Sleep([]time.Duration{10 * time.Millisecond, time.Second, 5 * time.Second, 40 * time.Second, 10 * time.Minute}[w.next()%5])
	case 10:
		if p := w.pick(); p.last != nil && time.Since(p.sent) < 4*time.Second { // T4: later it would be a new one
			w.arrive(p.at, p.last)
		}
	case 11:
		switch w.next() % 24 {
		case 0:
			_ = w.book.Disconnect("1", "")
		case 1:
			w.node.Silent("call:1")
		case 2:
			w.relay.full = !w.relay.full
		case 3:
			w.rules.strict = !w.rules.strict
			w.node.Over("call:1", 1)
		case 4, 5, 6, 7:
			w.otherwise()
		case 8, 9:
			w.neighbour()
		case 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21:
			w.lender()
		}
	}
	synctest.Wait()
}

// otherwise changes what the node has to give, whoever has what of it.
func (w *wild) otherwise() {
	pick := w.next()
	w.keys = licensing.Installed{Keyed: pick&1 == 0, Pool: licensing.Pool{HalfRMS: pick % 5}}
	w.limited([]int{100, 500, 1000, 100000}[pick%4], func(n *config.Node) {
		n.Bandwidth.DownspeedTotal, n.Bandwidth.DownspeedPerCall = pick&16 == 0, pick&32 == 0
		if pick&64 == 0 {
			n.Pipes[0].PerCall = config.Limit{Mode: config.Limited, Kbps: 300}
		}
		if pick%11 == 0 {
			n.Links, n.Pipes = n.Links[:3], nil
		}
	})
}

// lender is the cluster: it lends some, takes back what is idle, or says that there is no more.
func (w *wild) lender() {
	pick, parts := w.next(), w.has.Parts()
	if len(parts) == 0 {
		return // the node is alone
	}
	part := parts[pick%len(parts)]
	to := []uint32{0, 1, 2, 64, 400, 800, part.Total}[w.next()%7]
	switch pick % 3 {
	case 0:
		w.has.Denied(part.Name, time.Now())
	case 1:
		w.has.Lower(part.Name, min(to, part.Ceiling))
	default:
		w.has.Raise(part.Name, max(to, part.Ceiling))
	}
	w.has.Wake()
}

// neighbour is another call that begins, or all others that end.
func (w *wild) neighbour() {
	pick := w.next()
	if pick%3 == 0 {
		for _, g := range w.others {
			g.Release()
		}
		w.others = nil
		return
	}
	g, err := w.has.Admit("neighbour", elsewhere(uint32(pick)*8))
	if err == nil {
		w.others = append(w.others, g)
	}
}

// described is a description of whatever a phone can think of.
func (w *wild) described(p *wildPhone) func(*message.Message) {
	streams := [][]string{nil, nil, {sound64}, {sound64, pictures}, {sound, more}, {sound64, "video 0 RTP/AVP 97"}, {sound + "\r\na=inactive"}, {sound64 + "\r\na=sendonly", pictures + "\r\na=sendonly"}}
	return withSDP(offerOf(p.at, streams[w.next()%len(streams)]...))
}

// begin begins a call; alice has one at a time, so that her phone knows whose what is.
func (w *wild) begin(p *wildPhone) {
	if p.req != nil {
		return
	}
	w.calls++
	p.name = fmt.Sprint("alice-", w.calls)
	var change []func(*message.Message)
	if flags := w.next(); flags&1 == 0 {
		change = append(change, w.described(p))
	} else if flags&2 == 0 {
		change = append(change, with("Supported", "100rel, timer"), with("Session-Expires", "600"))
	}
	p.req = p.invite(change...)
}

// prelude brings a call some way, so that scripts do not spend themselves on getting there.
func (w *wild) prelude(far int) {
	a, b := w.phones[0], w.phones[1]
	steps := []func(){
		func() { w.begin(a) },
		func() { w.readAll(b); b.answer(b.todo[0], 180); w.readAll(a) },
		func() {
			b.answer(b.todo[0], 200, withSDP(offerOf(bob)))
			b.todo = b.todo[1:]
			w.readAll(a)
			w.readAll(b)
		},
		func() { a.ack(nil, a.oks[0], withSDP(offerOf(alice))); a.oks = a.oks[1:]; w.readAll(b) },
	}
	for _, step := range steps[:far] {
		step()
	}
}

func (w *wild) readAll(p *wildPhone) {
	w.mu.Lock()
	n := len(w.inbox[p.at])
	w.mu.Unlock()
	for ; n > 0; n-- {
		w.read(p)
	}
}

func (w *wild) read(p *wildPhone) {
	m := w.take(p.at)
	switch {
	case m == nil:
	case m.IsRequest() && m.Method() != message.Ack:
		p.todo = append(p.todo, m)
	case m.IsRequest() || m.Method() != message.Invite:
	case m.Status() >= 300:
		if p.last != nil {
			p.ack(p.last, m)
		}
	case m.Status() >= 200:
		p.oks = append(p.oks, m)
	case m.Has("RSeq"):
		p.prov = append(p.prov, m)
	}
}

func (w *wild) reply(p *wildPhone) {
	if len(p.todo) == 0 {
		return
	}
	i := w.next() % len(p.todo)
	req := p.todo[i]
	status := []int{100, 180, 183, 200, 200, 200, 202, 302, 404, 481, 486, 487, 488, 491, 500, 503, 603}[w.next()%17]
	if status >= 200 && w.next()%4 != 0 { // now and then the same request has two answers
		p.todo = append(p.todo[:i], p.todo[i+1:]...)
	}
	var change []func(*message.Message)
	if w.next()%2 == 0 {
		change = append(change, w.described(p))
	}
	if status == 183 && w.next()%2 == 0 {
		change = append(change, reliable(fmt.Sprint(1+w.next())))
	}
	if w.next()%8 == 0 {
		p.tag = fmt.Sprint("tag-", w.next())
	}
	if req.Method() == message.Cancel {
		status = 200
	}
	p.answer(req, status, change...)
}

func (w *wild) acknowledge(p *wildPhone) {
	if len(p.prov) > 0 && w.next()%2 == 0 {
		p.prack(p.prov[0])
		p.prov = p.prov[1:]
		return
	}
	if len(p.oks) == 0 {
		return
	}
	var change []func(*message.Message)
	if w.next()%2 == 0 {
		change = append(change, w.described(p))
	}
	p.ack(nil, p.oks[0], change...)
	p.oks = p.oks[1:]
}

func (w *wild) within(p *wildPhone) {
	if p.id == "" {
		return
	}
	var change []func(*message.Message)
	if w.next()%2 == 0 {
		change = append(change, w.described(p))
	}
	method := []message.Method{message.Bye, message.Invite, message.Invite, message.Update, message.Info, message.Refer, message.Prack}[w.next()%7]
	if method == message.Refer {
		change = append(change, with("Refer-To", "<sip:x@example.test>"))
	}
	p.send(method, change...)
}

func key(m *message.Message) string {
	_, method := m.CSeq()
	return m.Via().Branch() + " " + string(method)
}

// watch counts final responses, and loses messages.
func (w *wild) watch(seed uint64) {
	w.lose = func(to netip.AddrPort, data []byte) bool {
		m, err := message.Parse(data)
		if err != nil {
			return false
		}
		fromNode := to != inside && to != outside
		if fromNode && m.Status() >= 200 && m.Method() != message.Cancel {
			if w.finals[key(m)] == nil {
				w.finals[key(m)] = map[int]bool{}
			}
			w.finals[key(m)][m.Status()] = true
		}
		seed = seed*6364136223846793005 + 1442695040888963407
		gone := seed>>33%100 < w.percent
		if !fromNode && !gone && (m.Method() == message.Invite || m.Method() == message.Bye) && m.IsRequest() {
			w.asked[key(m)] = true
		}
		return gone
	}
}

func (w *wild) loses(percent uint64) {
	w.mu.Lock()
	w.percent = percent
	w.mu.Unlock()
}

func (w *wild) check() {
	for k, statuses := range w.finals {
		if len(statuses) > 1 {
			w.t.Errorf("%s has the final responses %v", k, statuses)
		}
	}
	for k := range w.asked {
		if len(w.finals[k]) == 0 {
			w.t.Errorf("%s has no final response", k)
		}
	}
}

// play plays a script, and returns what went wrong.
func play(t *testing.T, script []byte, seed, percent uint64, callees, far int, lent bool) (failures []string) {
	synctest.Test(t, func(t *testing.T) {
		rec := &recorder{TB: t}
		r := newRig(rec)
		stop := r.run(t)
		w := &wild{rig: r, script: script, finals: map[string]map[int]bool{}, asked: map[string]bool{}}
		r.callees([]netip.AddrPort{bob, carol, dave}[:callees]...)
		if callees == 3 {
			r.targets[2].Group = 1
		}
		for _, at := range []netip.AddrPort{alice, bob, carol, dave} {
			w.phones = append(w.phones, &wildPhone{phone: r.phone(at)})
		}
		w.watch(seed)
		if lent {
			r.limited(2000)
			r.lends(1000)
		}
		func() {
			defer func() {
				if p := recover(); p != nil && p != any(rec) {
					panic(p)
				}
			}()
			w.prelude(min(far, 4))
			for _, p := range r.has.Parts() {
				r.has.Lower(p.Name, 0) // what more is wanted others have
			}
			if far > 4 { // video is asked for
				w.phones[far%2].send(message.Invite, withSDP(offerOf(w.phones[far%2].at, sound64, pictures)))
			}
			w.loses(percent)
			for len(w.script) > 0 {
				w.step()
			}
		}()
		w.loses(0)
		time.Sleep(3 * time.Hour)
		r.settle()
		r.leaks()
		w.check()
		stop()
		if failures = rec.failures; len(failures) > 0 {
			failures = append(failures, r.picture())
		}
	})
	return failures
}

// Whatever two ends say, in whatever order and with whatever lost, and whatever becomes of
// limits and licences meanwhile, nothing stays behind, nothing stays taken, and each request
// has one final answer (CA-04, BW-03).
func TestAnythingGoes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		script := rapid.SliceOfN(rapid.Byte(), 20, 300).Draw(rt, "script")
		seed := rapid.Uint64().Draw(rt, "seed")
		percent := rapid.SampledFrom([]uint64{0, 0, 10, 30}).Draw(rt, "percent")
		callees := rapid.IntRange(1, 3).Draw(rt, "callees")
		if failures := play(t, script, seed, percent, callees, rapid.IntRange(0, 6).Draw(rt, "prelude"), rapid.Bool().Draw(rt, "lent")); len(failures) > 0 {
			rt.Fatal(strings.Join(failures, "\n"))
		}
	})
}
