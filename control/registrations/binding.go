package registrations

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/netip"
	"time"

	"turnpike.dev/turnpike/control/dialplan"
)

// Serial names a registration for people: a random UUID that stays with the binding for
// as long as it is refreshed.
type Serial [16]byte

func newSerial() Serial {
	var s Serial
	_, _ = rand.Read(s[:])                      // never fails
	s[6], s[8] = s[6]&0x0f|0x40, s[8]&0x3f|0x80 // RFC 9562 section 5.4
	return s
}

// String returns the serial as 8-4-4-4-12 hexadecimal digits.
func (s Serial) String() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", s[:4], s[4:6], s[6:8], s[8:10], s[10:])
}

// MarshalText writes the serial for JSON.
func (s Serial) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a serial.
func (s *Serial) UnmarshalText(text []byte) error {
	if len(text) != 36 {
		return fmt.Errorf("%q is no serial: it is a UUID as `turnpike registration list` shows it", text)
	}
	digits := make([]byte, 0, 32)
	for i, c := range text {
		if dash := i == 8 || i == 13 || i == 18 || i == 23; dash != (c == '-') {
			return fmt.Errorf("%q is no serial: it is a UUID as `turnpike registration list` shows it", text)
		} else if !dash {
			digits = append(digits, c)
		}
	}
	_, err := hex.Decode(s[:], digits)
	return err
}

// Binding is where somebody is reached who registered. One that was handed out is
// never changed: a refresh makes another.
type Binding struct {
	// ID is the table's own, and the ID of dialplan.Binding. A refresh keeps it.
	ID       uint64            `json:"id"`
	Serial   Serial            `json:"serial"`
	Protocol dialplan.Protocol `json:"protocol"`
	// AOR is the canonical name (control/alias) that is bound.
	AOR string `json:"aor"`
	// Also are further canonical names of the same endpoint: the aliases of H.323.
	Also []string `json:"also,omitempty"`

	// Contact is the URI that requests are sent with; of H.323 the address of call
	// signalling.
	Contact string `json:"contact"`
	// Params are the parameters of the Contact that are shown to who asks, besides
	// expires (RFC 3261 section 10.3 step 8): ";q=0.5;+sip.instance=...".
	Params string `json:"params,omitempty"`
	// Path are the proxies in between, as Route headers of requests to the contact
	// (RFC 3327 section 5.3).
	Path []string `json:"path,omitempty"`
	// Instance and RegID are of RFC 5626; both empty where the endpoint knows it not.
	Instance string `json:"instance,omitempty"`
	RegID    uint32 `json:"reg_id,omitempty"`
	// Q is the contact's preference in thousandths (RFC 3261 section 20.10).
	Q uint16 `json:"q"`
	// CallID and CSeq order the requests of one client (RFC 3261 section 10.3 step 7).
	CallID string `json:"call_id,omitempty"`
	CSeq   uint32 `json:"cseq,omitempty"`

	// Source is the address that the registration came from, Local ours that it came to.
	Source netip.AddrPort `json:"source"`
	Local  netip.AddrPort `json:"local"`
	// Transport is udp, tcp or tls.
	Transport string `json:"transport"`
	// Flow is the connection that it came over and that leads back: a number that the
	// registrar knows; 0: none.
	Flow uint64 `json:"flow,omitempty"`
	// Outbound: the endpoint is reached over its flow and no other way (RFC 5626).
	Outbound bool `json:"outbound,omitempty"`
	// Broken: the flow is gone, with the process that had it. The endpoint has to come again.
	Broken bool `json:"broken,omitempty"`

	Since time.Time `json:"since"`
	// Renewed is when the endpoint registered last.
	Renewed time.Time `json:"renewed"`
	// Stamp is what peers are told instead, where the endpoint was on a peer meanwhile whose clock is ahead.
	Stamp   time.Time `json:"stamp,omitzero"`
	Expires time.Time `json:"expires"`

	UserAgent string `json:"user_agent,omitempty"`
	Subzone   string `json:"subzone,omitempty"`
	// Desktop: it takes a desktop licence, not that of a room system. A binding keeps the
	// kind that it came with for as long as it is refreshed.
	Desktop bool `json:"desktop,omitempty"`
	// Account is whose password was checked; empty: none was.
	Account string `json:"account,omitempty"`
	// Proxied: another registrar holds the registration, in Zone (RG-10).
	Proxied bool   `json:"proxied,omitempty"`
	Zone    string `json:"zone,omitempty"`
}

// Reachable says whether a request can be sent there at a time.
func (b *Binding) Reachable(now time.Time) bool { return !b.Broken && now.Before(b.Expires) }

// Endpoint names the endpoint of the binding, alike on all peers of a cluster and for all of its flows:
// dialplan.Binding.Endpoint.
func (b *Binding) Endpoint() uint64 {
	const offset, prime = 14695981039346656037, 1099511628211 // FNV-1a
	h := uint64(offset)
	mix := func(text string) {
		for i := range len(text) {
			h = (h ^ uint64(text[i])) * prime
		}
		h *= prime // as if a zero byte ended it
	}
	mix(b.AOR)
	if b.Instance != "" {
		mix(b.Instance)
	} else {
		mix(b.Contact)
	}
	return max(h, 1)
}

// origin is what a request is recognised by that comes from where a binding came from.
type origin struct {
	flow   uint64
	source netip.AddrPort // of UDP
}

func (b *Binding) origin() origin {
	if b.Flow != 0 {
		return origin{flow: b.Flow}
	}
	return origin{source: b.Source}
}
