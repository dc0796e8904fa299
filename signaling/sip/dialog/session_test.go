package dialog

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/signaling/sip/message"
)

const s = time.Second

// RFC 4028 section 9, with its table 2.
func TestGrant(t *testing.T) {
	limits := Limits{Time: 1800 * s, Min: 500 * s}
	for _, tc := range []struct {
		name                    string
		supported, expires, min string
		want                    Session
		small                   bool
	}{
		{"nothing known", "", "", "", Session{1800 * s, UAS}, false},
		{"timers known", "timer", "", "", Session{1800 * s, UAC}, false},
		{"at least more than ours", "timer", "", "3600", Session{3600 * s, UAC}, false},
		{"asked", "100rel, timer", "600", "", Session{600 * s, UAC}, false},
		{"asked, we refresh", "timer", "600;refresher=uas", "", Session{600 * s, UAS}, false},
		{"asked, it refreshes", "timer", "600; refresher=UAC", "", Session{600 * s, UAC}, false},
		{"more than ours", "timer", "7200", "", Session{1800 * s, UAC}, false},
		{"more than ours, and no less", "timer", "7200", "7200", Session{7200 * s, UAC}, false},
		{"too small", "timer", "499", "", Session{}, true},
		{"too small, of a proxy's", "", "100;refresher=uas", "", Session{100 * s, UAS}, false},
		{"a proxy's, below all", "", "1", "", Session{90 * s, UAS}, false},
		{"nonsense", "timer", "soon", "", Session{1800 * s, UAC}, false},
		{"too much", "timer", "99999999999", "", Session{1800 * s, UAC}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := message.NewRequest(message.Invite, message.URI{})
			for name, v := range map[string]string{"Supported": tc.supported, "Session-Expires": tc.expires, "Min-SE": tc.min} {
				if v != "" {
					m.Set(name, v)
				}
			}
			got, ok := limits.Grant(m)
			if d := cmp.Diff(tc.want, got); d != "" || ok == tc.small {
				t.Errorf("granted %v, %t", got, ok)
			}
		})
	}
}

func TestOfferAndAnswer(t *testing.T) {
	m := message.NewRequest(message.Invite, message.URI{})
	Limits{Time: 1800 * s, Min: 500 * s}.Offer(m, 3600*s, UAC)
	if m.Get("Session-Expires") != "3600;refresher=uac" || m.Get("Min-SE") != "3600" || m.Get("Supported") != "timer" {
		t.Errorf("offered:\n%s", m)
	}
	resp := message.NewResponse(m, 200, "")
	Session{600 * s, UAC}.Say(resp)
	if got := Agreed(resp); got != (Session{600 * s, UAC}) || resp.Get("Require") != "timer" {
		t.Errorf("agreed on %v:\n%s", got, resp)
	}
	if got := Agreed(message.NewResponse(m, 200, "")); got != (Session{}) {
		t.Errorf("agreed on %v with nobody", got)
	}
	small := message.NewResponse(m, 422, "")
	if _, ok := TooSmall(small); ok {
		t.Error("a 422 without Min-SE says nothing")
	}
	small.Set("Min-SE", "4000")
	if least, ok := TooSmall(small); !ok || least != 4000*s {
		t.Errorf("at least %v, %t", least, ok)
	}
}

// RFC 4028 section 10.
func TestTimer(t *testing.T) {
	now := time.Unix(1000, 0)
	type due struct {
		After time.Duration
		What  Action
	}
	next := func(timer *Timer) due {
		at, what := timer.Next()
		if what == Nothing {
			return due{}
		}
		return due{at.Sub(now), what}
	}
	var timer Timer
	if got := next(&timer); got != (due{}) {
		t.Errorf("off: %v", got)
	}
	timer.Set(now, Session{1800 * s, UAS}, UAS)
	if got := next(&timer); got != (due{900 * s, Refresh}) {
		t.Errorf("ours: %v", got)
	}
	timer.Tried()
	if got := next(&timer); got != (due{1768 * s, Expire}) {
		t.Errorf("tried: %v", got)
	}
	timer.Set(now, Session{90 * s, UAS}, UAC)
	if got := next(&timer); got != (due{60 * s, Expire}) {
		t.Errorf("theirs: %v", got)
	}
	if _, mine := timer.Session(); mine {
		t.Error("theirs is ours")
	}
}

func FuzzHeaders(f *testing.F) {
	f.Add("1 2 INVITE", "1800;refresher=uac", "90")
	f.Fuzz(func(t *testing.T, rack, expires, min string) {
		if r, err := ParseRAck(rack); err == nil {
			again, err := ParseRAck(r.String())
			if err != nil || again != r {
				t.Errorf("%q reads back as %v, %v", r, again, err)
			}
		}
		m := message.NewRequest(message.Invite, message.URI{})
		m.Set("Session-Expires", expires)
		m.Set("Min-SE", min)
		m.Set("Supported", "timer")
		if got, ok := (Limits{Time: 1800 * s, Min: 90 * s}).Grant(m); ok && (got.Interval < floor || got.Refresher == Nobody) {
			t.Errorf("granted %v", got)
		}
	})
}
