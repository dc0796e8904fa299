package b2bua

import (
	"strconv"
	"time"

	"turnpike.dev/turnpike/signaling/sip/dialog"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/transaction"
)

// refreshed begins a new interval of the leg's session timer (RFC 4028 section 10). mine is
// this node's part in what was just agreed.
func (l *leg) refreshed(s dialog.Session, mine dialog.Role) {
	l.session.Set(l.call.shard.Now(), s, mine)
	l.setAlarm()
}

func (l *leg) setAlarm() {
	at, what := l.session.Next()
	l.alarm.Stop()
	if what == dialog.Nothing {
		return
	}
	l.alarm = l.call.shard.After(max(at.Sub(l.call.shard.Now()), time.Second), l.alarmed)
}

// refresher is who refreshes after a request that this node sends: who does now (section
// 7.4).
func (l *leg) refresher() dialog.Role {
	s, mine := l.session.Session()
	switch {
	case s.Interval == 0:
		return dialog.Nobody
	case mine:
		return dialog.UAC
	}
	return dialog.UAS
}

// alarmed: a refresh is due, or did not come.
func (l *leg) alarmed() {
	if !l.alive() {
		return
	}
	_, what := l.session.Next()
	if what == dialog.Expire {
		l.call.endBy(byTimer)
		return
	}
	l.session.Tried()
	l.refresh()
	l.setAlarm()
}

// refresh sends a refresh: UPDATE where the end takes it, otherwise a re-INVITE with what
// it was told last (section 7.4). One that cannot be sent now is left out: the other leg's
// requests refresh as well, and if nothing does, the session ends.
func (l *leg) refresh() {
	method := message.Update
	if !l.updates {
		method = message.Invite
	}
	told := l.pair.fork.media.told[l.name]
	if method == message.Invite && (l.busy() || told == nil) {
		return
	}
	req := l.d.Request(method)
	l.call.sign(req)
	req.SetContacts(l.contact)
	l.call.b.cfg.Policy.Session().Offer(req, l.least, l.refresher())
	if method == message.Invite {
		req.SetBody(sdpType, told)
		req.Set("Allow", allow)
		l.renewing = true
	}
	l.transmit(req, &refreshing{leg: l})
}

// learn takes the shortest interval that a 422 allows, and reports whether it is news.
func (l *leg) learn(m *message.Message) bool {
	least, ok := dialog.TooSmall(m)
	if !ok || least <= l.least {
		return false
	}
	l.least = least
	return true
}

// busy: an INVITE is on its way on the leg, or its ACK.
func (l *leg) busy() bool {
	return l.invited != nil || l.inviting != nil || l.await != nil || l.renewing
}

// refreshing is a refresh of our own.
type refreshing struct{ leg *leg }

// Response takes the answer to a refresh (section 10).
func (r *refreshing) Response(cl *transaction.Client, m *message.Message) {
	l := r.leg
	l.call.recordAt(cl.Hop(), m)
	if m.Status() >= 200 {
		l.renewing = false
	}
	switch status := m.Status(); {
	case status < 200:
	case status < 300:
		r.accepted(cl, m)
	case status == 481 || status == 408:
		l.call.endBy(byLoss)
	case status == 405 || status == 501: // it does not take UPDATE after all
		if l.updates && l.alive() {
			l.updates = false
			l.refresh()
		}
	case status == 422: // RFC 4028 section 7.3
		if l.learn(m) && l.alive() {
			l.refresh()
		}
	}
}

func (r *refreshing) accepted(cl *transaction.Client, m *message.Message) {
	l := r.leg
	if cl.Request().Method() == message.Invite {
		seq, _ := cl.Request().CSeq()
		if l.ackAgain(seq) {
			return
		}
		l.ack(seq, nil)
	}
	if l.alive() {
		l.d.Refresh(m)
		l.refreshed(dialog.Agreed(m), dialog.UAC)
	}
}

// Failed: the end is not there any more.
func (r *refreshing) Failed(*transaction.Client, error) { r.leg.call.endBy(byLoss) }

// refreshHere answers an UPDATE that is nothing but a refresh, because the other end takes
// none.
func (l *leg) refreshHere(t *transaction.Server) {
	limits := l.call.b.cfg.Policy.Session()
	granted, ok := limits.Grant(t.Request())
	if !ok {
		l.reply(t, 422, func(m *message.Message) { m.Set("Min-SE", strconv.Itoa(int(limits.Min.Seconds()))) })
		return
	}
	l.d.Refresh(t.Request())
	l.lookUp()
	l.reply(t, 200, func(m *message.Message) {
		m.SetContacts(l.contact)
		granted.Say(m)
	})
	l.refreshed(granted, dialog.UAS)
}
