package dialog

import (
	"strconv"
	"strings"
	"time"

	"turnpike.dev/turnpike/signaling/sip/message"
)

// Role is an end's part in the last INVITE or UPDATE of a leg.
type Role uint8

// Roles. Nobody refreshes a session without a timer.
const (
	Nobody Role = iota
	UAC
	UAS
)

// String returns the role as the refresher parameter writes it.
func (r Role) String() string { return [...]string{"", "uac", "uas"}[r] }

// floor is the smallest interval that anybody may ask for (RFC 4028 section 5).
const floor = 90 * time.Second

// Limits is what this node wants of session timers.
type Limits struct {
	Time time.Duration // the interval it offers and grants at most
	Min  time.Duration // the shortest that it agrees to
}

// Session is what both ends of a leg agreed on; the zero value: no timer.
type Session struct {
	Interval  time.Duration
	Refresher Role
}

// Offer puts the timer into an INVITE or UPDATE that this node sends (RFC 4028 sections
// 7.1 and 7.4). refresher is who shall refresh: Nobody leaves that to the other end.
func (l Limits) Offer(req *message.Message, least time.Duration, refresher Role) {
	AddToken(req, "Supported", "timer")
	l = l.sane()
	least = max(least, l.Min)
	req.Set("Session-Expires", Session{max(l.Time, least), refresher}.String())
	req.Set("Min-SE", seconds(least))
}

func (l Limits) sane() Limits {
	l.Min = max(l.Min, floor)
	l.Time = max(l.Time, l.Min)
	return l
}

// Grant answers the timer of a request as its UAS (RFC 4028 section 9). ok is false when
// the interval is too small: the answer is 422 with Min-SE l.Min (section 6).
func (l Limits) Grant(req *message.Message) (s Session, ok bool) {
	l = l.sane()
	supported := HasToken(req, "Supported", "timer") || HasToken(req, "Require", "timer")
	asked, has := Expires(req)
	switch {
	case !has && supported:
		return Session{max(l.Time, minSE(req)), UAC}, true
	case !has:
		return Session{max(l.Time, minSE(req)), UAS}, true
	case asked.Interval < l.Min && supported:
		return Session{}, false
	}
	s = Session{min(asked.Interval, max(l.Time, minSE(req))), asked.Refresher}
	s.Interval = max(s.Interval, floor)
	if !supported {
		s.Refresher = UAS // Table 2: who does not know timers cannot refresh
	} else if s.Refresher == Nobody {
		s.Refresher = UAC
	}
	return s, true
}

// Say puts what was granted into the 2xx (RFC 4028 section 9).
func (s Session) Say(resp *message.Message) {
	if s.Interval == 0 {
		return
	}
	resp.Set("Session-Expires", s.String())
	if s.Refresher == UAC {
		AddToken(resp, "Require", "timer")
	}
}

// Agreed reads the 2xx of a request that offered a timer (RFC 4028 section 7.2). A 2xx
// without one means that there is none.
func Agreed(resp *message.Message) Session {
	s, ok := Expires(resp)
	if !ok {
		return Session{}
	}
	s.Interval = max(s.Interval, floor)
	if s.Refresher == Nobody {
		s.Refresher = UAC // a proxy put it in for an end that does not know timers
	}
	return s
}

// TooSmall reads a 422: the least interval that the other end takes (RFC 4028 section 7.3).
func TooSmall(resp *message.Message) (least time.Duration, ok bool) {
	least = minSE(resp)
	return least, resp.Status() == 422 && least > 0 && least <= 24*time.Hour
}

// Expires reads Session-Expires.
func Expires(m *message.Message) (Session, bool) {
	value, params, _ := strings.Cut(m.Get("Session-Expires"), ";")
	n, ok := parseSeconds(value)
	if !ok {
		return Session{}, false
	}
	s := Session{Interval: n}
	for p := range strings.SplitSeq(params, ";") {
		name, v, _ := strings.Cut(p, "=")
		if strings.EqualFold(strings.TrimSpace(name), "refresher") {
			s.Refresher = roleOf(strings.TrimSpace(v))
		}
	}
	return s, true
}

func roleOf(s string) Role {
	switch strings.ToLower(s) {
	case "uac":
		return UAC
	case "uas":
		return UAS
	}
	return Nobody
}

func minSE(m *message.Message) time.Duration {
	value, _, _ := strings.Cut(m.Get("Min-SE"), ";")
	n, _ := parseSeconds(value)
	return n
}

func parseSeconds(s string) (time.Duration, bool) {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 31)
	return time.Duration(n) * time.Second, err == nil
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }

// String returns the Session-Expires header field's value.
func (s Session) String() string {
	if s.Refresher == Nobody {
		return seconds(s.Interval)
	}
	return seconds(s.Interval) + ";refresher=" + s.Refresher.String()
}

// AddToken adds a token to a list of tokens that does not have it.
func AddToken(m *message.Message, header, token string) {
	if HasToken(m, header, token) {
		return
	}
	if old := m.Get(header); old != "" {
		token = old + ", " + token
	}
	m.Set(header, token)
}

// Action is what a session timer wants done.
type Action uint8

// Actions.
const (
	Nothing Action = iota
	Refresh        // send an UPDATE or INVITE
	Expire         // end the session: nobody refreshed it
)

// Timer is the session timer of one leg (RFC 4028 section 10). The zero value is off.
type Timer struct {
	session Session
	mine    bool // this node refreshes
	at      time.Time
	tried   bool // since the last agreement
}

// Set begins a new interval: a 2xx was sent or received, and this node's part in it was
// mine.
func (t *Timer) Set(now time.Time, s Session, mine Role) {
	*t = Timer{session: s, mine: s.Refresher == mine, at: now}
}

// Session returns what was agreed, and whether this node refreshes.
func (t *Timer) Session() (s Session, mine bool) { return t.session, t.mine && t.session.Interval > 0 }

// Next says what is due and when: half of the interval after the last agreement a refresh,
// and shortly before its end the end: a third of it, 32 s at most (RFC 4028 section 10).
func (t *Timer) Next() (time.Time, Action) {
	switch i := t.session.Interval; {
	case i == 0:
		return time.Time{}, Nothing
	case t.mine && !t.tried:
		return t.at.Add(i / 2), Refresh
	default:
		return t.at.Add(i - min(32*time.Second, i/3)), Expire
	}
}

// Tried notes that a refresh was sent; only its 2xx begins a new interval.
func (t *Timer) Tried() { t.tried = true }
