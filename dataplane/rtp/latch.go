package rtp

import (
	"net/netip"
	"slices"
	"time"
)

const (
	// latchFor is how long after the first fitting packet a better fit may replace it.
	latchFor = 2 * time.Second
	maxSSRCs = 16
)

// fit is how well a sender fits what signalling said, worst first. The payload type is
// no evidence: everybody knows those.
type fit uint8

const (
	unfit         fit = iota
	fitSSRC           // an announced source, from anywhere
	fitSource         // signalling's own address, from any port
	fitSourceSSRC     // both
	fitExact          // the very address that signalling named
)

// latch learns where one leg's RTP (or RTCP) comes from (ME-02). Its window opens at
// signalling and closes latchFor after the first fitting packet; until a packet fits it
// stays open, and once closed only signalling opens it again.
type latch struct {
	exact netip.AddrPort // as signalled
	from  netip.Addr     // any port of it fits too; invalid: none
	ssrcs []uint32

	// src is whose packets are relayed: exact at first.
	src netip.AddrPort
	fit fit // how well src fits; unfit: it is of earlier signalling, which named another address
	// seen is when a packet of src last went through a flow.
	seen   time.Time
	opened time.Time
	since  time.Time // of the first fitting packet; zero: none yet
	// patience is for how long a source that was learned before the window opened is
	// waited for before another of its kind replaces it.
	patience time.Duration
}

// signal opens the window. A source that was learned is kept until a better one shows
// up: between an offer and its answer media comes from where it always came.
func (l *latch) signal(exact netip.AddrPort, from netip.Addr, ssrcs []uint32, now time.Time) {
	ssrcs = ssrcs[:min(len(ssrcs), maxSSRCs)]
	same := exact == l.exact && from == l.from
	l.exact, l.from, l.ssrcs = exact, from, slices.Clone(ssrcs)
	l.opened, l.since = now, time.Time{}
	switch {
	case l.src == exact, !l.src.IsValid(), !same && l.seen.IsZero():
		l.src, l.fit = exact, fitExact
	case !same:
		l.fit = unfit
	}
}

// open tells whether another source may still be learned.
func (l *latch) open(now time.Time) bool {
	return !l.opened.IsZero() && (l.since.IsZero() || now.Sub(l.since) <= latchFor)
}

// rank says how well a sender fits.
func (l *latch) rank(sender netip.AddrPort, p packet) fit {
	announced := p.hasSSRC() && slices.Contains(l.ssrcs, p.ssrc)
	switch {
	case p.kind == kindIgnored:
		return unfit
	case sender == l.exact:
		return fitExact
	case sender.Addr() == l.from && announced:
		return fitSourceSSRC
	case sender.Addr() == l.from && (sender != l.src || l.fit != unfit):
		return fitSource
	case announced:
		return fitSSRC
	}
	return unfit
}

// heard says when a flow last carried a packet of src.
func (l *latch) heard(at time.Time) {
	if at.After(l.seen) {
		l.seen = at
	}
	if l.fit != unfit && l.since.IsZero() && at.After(l.opened) {
		l.since = at
	}
}

// asks tells whether a packet of the sender would move the latch if src were silent: then
// heard is to be told first.
func (l *latch) asks(sender netip.AddrPort, f fit) bool {
	return f != unfit && sender != l.src && l.since.IsZero()
}

// verdict is what becomes of a packet that no flow took.
type verdict uint8

const (
	drop  verdict = iota
	pass          // relay it
	moved         // relay it; its sender is src from now on
)

// take judges a packet.
func (l *latch) take(sender netip.AddrPort, p packet, now time.Time) verdict {
	f := l.rank(sender, p)
	switch {
	case l.opened.IsZero() || p.kind == kindIgnored:
		return drop
	case sender == l.src:
		if f != unfit {
			l.learn(sender, max(f, l.fit), now)
		}
		l.seen = now
		return pass
	case f == unfit || !l.open(now):
		return drop
	case l.since.IsZero() && l.waited(now), f > l.fit:
		l.learn(sender, f, now)
		l.seen = now
		return moved
	}
	return drop
}

// waited tells that src had its chance to be the first that fits.
func (l *latch) waited(now time.Time) bool {
	return l.fit == unfit || l.seen.IsZero() || now.Sub(l.seen) > l.patience
}

func (l *latch) learn(src netip.AddrPort, f fit, now time.Time) {
	l.src, l.fit = src, f
	if l.since.IsZero() {
		l.since = now
	}
}

// dst is where to send: to where media comes from. What comes from where it came before
// the signalling changed is left for the address that is named now, unless that lies
// behind a NAT and cannot be reached before it sent something.
func (l *latch) dst() netip.AddrPort {
	behindNAT := l.from.IsValid() && l.from != l.exact.Addr()
	if l.fit == unfit && !behindNAT {
		return l.exact
	}
	return l.src
}
