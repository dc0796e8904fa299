package pooling

import (
	"maps"
	"time"

	"turnpike.dev/turnpike/cluster/ledger"
	"turnpike.dev/turnpike/cluster/member"
	"turnpike.dev/turnpike/control/resources"
)

// How much is asked for before it is wanted: a sixteenth of all, for a few calls or for so many registrations as may
// come while peers answer. No more than an even share.
const (
	aheadShare  = 16
	aheadCalls  = 4
	aheadPlaces = 32
	// leastKbps is what the smallest of calls takes: of less than that no peer should have a part.
	leastKbps = 64
)

const (
	// scanEvery is how often it is looked what is to be asked for ahead.
	scanEvery = 100 * time.Millisecond
	// deniedRest is how long nothing is asked for ahead of what was just denied.
	deniedRest = 2 * time.Second
	// recalledRest is how long nothing is asked for ahead of what others wait for.
	recalledRest = 500 * time.Millisecond
	// starving is after how long of another peer's waiting nothing is asked for ahead of what it waits for.
	starving = 300 * time.Millisecond
	// noneRest is how long nothing is asked for that there was none of a moment ago: as long as the word is believed.
	noneRest = resources.DeniedRest
	// maxFirst is how much that was never used here is asked for in one look, maxAsked how much of it in all while
	// nothing is answered: a node that starts with thousands of pipes is not in the way of those that have calls.
	maxFirst = 16
	maxAsked = 64
	// maxWants bounds what is told in one look, maxWait how long an answer is waited for.
	maxWants = 128
	maxWait  = 5 * time.Second
)

// Wants implements member.Shares: what requests wait for at once, and some times within a second what is asked for ahead.
func (p *Pooling) Wants() map[ledger.Resource]uint32 {
	now := time.Now()
	p.mu.Lock()
	news, scan := p.news, p.lent && now.Sub(p.scanned) >= scanEvery
	p.news = false
	if scan {
		p.scanned = now
		p.forget(now)
	}
	pending := make(map[string]uint32, len(p.pending))
	for name, n := range p.pending {
		pending[name] = n
	}
	p.mu.Unlock()
	if !scan && !news {
		return nil
	}
	shared, _ := p.deps.Member.Ledger()
	wants, room := map[ledger.Resource]uint32{}, false
	for name, n := range pending {
		part, ok := p.deps.Resources.Part(name)
		if need := p.needed(part, n, shared.Resources[ledger.Resource(name)]); ok && need > 0 {
			wants[ledger.Resource(name)] = need
		} else {
			room = true // what is here has been freed since, or nothing limits it any more
		}
	}
	if room && p.lease.Runs() { // else they wait for the lease
		p.wake()
	}
	if scan && len(shared.Resources) > 0 { // it is agreed what there is
		p.scan(wants, &shared, now)
	}
	return wants
}

// forget forgets what counts no more, also of names that the configuration has had. mu is held.
func (p *Pooling) forget(now time.Time) {
	maps.DeleteFunc(p.since, func(name string, _ time.Duration) bool { return p.pending[name] == 0 })
	for _, m := range []struct {
		of   map[string]time.Time
		rest time.Duration
	}{{p.denied, deniedRest}, {p.recalls, recalledRest}, {p.none, noneRest}} {
		maps.DeleteFunc(m.of, func(_ string, at time.Time) bool { return now.Sub(at) > m.rest })
	}
}

// needed is what requests are short of that want n together. With it comes some of what others have idle: the next
// request is not far.
func (p *Pooling) needed(part resources.Part, n uint32, of member.Holding) uint32 {
	all := uint64(part.Used) + uint64(n)
	if all <= uint64(part.Ceiling) {
		return 0
	}
	lacks := all - uint64(part.Ceiling)
	idle := uint64(p.idle(part.Name, of))
	if idle > lacks {
		lacks += (idle - lacks) / uint64(2*p.peers())
	}
	return uint32(min(lacks, uint64(max(part.Total, of.Total))))
}

// scan asks ahead.
func (p *Pooling) scan(wants map[ledger.Resource]uint32, shared *member.Ledger, now time.Time) {
	parts := p.deps.Resources.Parts()
	if len(parts) == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, at := range p.asked {
		if now.Sub(at) > maxWait {
			delete(p.asked, name)
		}
	}
	boot, waited := p.deps.Boot(), map[ledger.Resource]bool{}
	for _, w := range shared.Waiting {
		if w.Peer != p.deps.Self && boot-w.Since > starving {
			waited[w.Resource] = true
		}
	}
	start, first := p.from%len(parts), 0
	for i := range parts {
		at := (start + i) % len(parts)
		part := parts[at]
		if len(wants) >= maxWants {
			p.from = at
			return
		}
		r := ledger.Resource(part.Name)
		if wants[r] > 0 || waited[r] && part.Used <= part.Given || now.Sub(p.denied[part.Name]) <= deniedRest || now.Sub(p.recalls[part.Name]) <= recalledRest {
			continue
		}
		n := p.early(part, shared.Resources[r])
		if n == 0 {
			continue
		}
		if part.Ceiling == 0 { // nothing of it is here yet
			if _, asked := p.asked[part.Name]; asked || first >= maxFirst || len(p.asked) >= maxAsked {
				continue
			}
			first++
			p.asked[part.Name] = now
		}
		wants[r] = n
	}
}

// early is how much of something is asked for before it is wanted, and to have what was taken before the ledger gave it.
// mu is held.
func (p *Pooling) early(part resources.Part, of member.Holding) uint32 {
	if part.Used > part.Given {
		return part.Used - part.Given
	}
	left := part.Ceiling - min(part.Used, part.Ceiling)
	free := uint32(uint64(of.Total) - min(uint64(of.Total), of.Granted))
	even := uint32((uint64(free) + uint64(p.idleOf(part.Name, of)) + uint64(left)) / uint64(p.offerPeers()))
	enough, least := min(p.ahead(part, of.Total), even), uint32(0)
	if part.Kind == resources.PipePart || part.Kind == resources.SubzonePart {
		least = leastKbps // a peer that has no use for less would have to be asked for it by one that has
	}
	switch {
	case left < (enough+1)/2 && free > 0 && left+min(enough-left, free) >= least:
		return min(enough-left, free)
	case left < even/4 && even/2 >= least: // far less than an even share of what others have idle; two of them would never take it from each other
		return even/2 - left
	}
	return 0
}

// ahead is how much should be left here.
func (p *Pooling) ahead(part resources.Part, total uint32) uint32 {
	least := uint32(aheadPlaces)
	switch {
	case part.Name == resources.LevelRMS:
		least = 2 * aheadCalls // halves
	case part.Name == resources.WholeCalls:
		least = aheadCalls * p.offer.CallUnits
	case part.Kind == resources.PipePart || part.Kind == resources.SubzonePart:
		least = aheadCalls * p.offer.CallKbps
	}
	return min(max(total/aheadShare, least), total/uint32(p.offerPeers()))
}

func (p *Pooling) peers() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.offerPeers()
}

func (p *Pooling) offerPeers() int { return max(p.offer.Peers, 1) }
