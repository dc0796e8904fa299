// Package calls keeps what a node knows of its calls: those that run, those that ended
// lately, the messages of each, and a record of every one that is over.
//
// It exists because an operator asks about a call when it is over and nobody watched:
// who called whom, which way, why the media went as it did, who hung up and what was
// said meanwhile. All of it is bounded: calls that ended are forgotten in time, and calls
// that were refused cannot push out those that were carried; a ladder has a size, and so
// have all ladders together. It knows neither SIP nor H.323: whoever carries a call tells
// it what to show, and is told to disconnect.
package calls

import (
	"net/netip"
	"time"
)

// State is how far a call is.
type State string

// States.
const (
	Trying    State = "trying"
	Ringing   State = "ringing"
	Connected State = "connected"
	Ended     State = "ended"
)

// Party is one end of a call.
type Party struct {
	Alias         string         `json:"alias,omitempty"` // as this node routes by
	Zone          string         `json:"zone,omitempty"`
	Subzone       string         `json:"subzone,omitempty"`
	Protocol      string         `json:"protocol,omitempty"`  // sip or h323
	Transport     string         `json:"transport,omitempty"` // udp, tcp or tls
	Address       netip.AddrPort `json:"address,omitzero"`    // of its signalling
	CallID        string         `json:"call_id,omitempty"`   // of its leg
	Authenticated bool           `json:"authenticated,omitempty"`
	Agent         string         `json:"agent,omitempty"` // User-Agent or Server
	Peer          int            `json:"peer,omitempty"`  // of the cluster, by its place in the list: the party is there
}

// Route is how the dial plan led from one end to the other.
type Route struct {
	Rule   string `json:"rule,omitempty"`   // the search rule, empty where none was asked
	Alias  string `json:"alias,omitempty"`  // what was asked for there
	Reason string `json:"reason,omitempty"` // why there was no way
	Path   string `json:"path,omitempty"`   // the subzones and zones on the way: PathOf (RG-05)
}

// Media says who carries the media.
type Media struct {
	Traversal bool   `json:"traversal"`           // this node relays it
	Why       string `json:"why,omitempty"`       // what made it so, or kept it from being so
	Encrypted bool   `json:"encrypted,omitempty"` // it is SRTP that passes through
	// AskedKbps is what the parties want, all streams together, and GrantedKbps what they
	// have (BW-03).
	AskedKbps   uint32   `json:"asked_kbps,omitempty"`
	GrantedKbps uint32   `json:"granted_kbps,omitempty"`
	HalfRMS     int      `json:"half_rms,omitempty"` // halves of rich media session licences (LI-04)
	Charges     []Charge `json:"charges,omitempty"`
	Links       []string `json:"links,omitempty"` // that the call goes by
	// MeasuredKbps is what the parties send, without headers, where the media passes here: now,
	// or when the call ended.
	MeasuredKbps *Rate `json:"measured_kbps,omitempty"`
}

// Rate is how much comes from each party, in kbps.
type Rate struct {
	FromCaller uint32 `json:"from_caller"`
	FromCallee uint32 `json:"from_callee"`
}

// Charge is what a call takes of a subzone, zone, link or pipe: Times its Kbps.
type Charge struct {
	Kind  string `json:"kind"`
	Name  string `json:"name"`
	Times int    `json:"times"`
	Kbps  uint32 `json:"kbps"`
}

// Info is what whoever carries a call tells of it; more of it becomes known in time.
type Info struct {
	CallID    string `json:"call_id"` // of the caller's leg
	SessionID string `json:"session_id,omitempty"`
	From      string `json:"from"` // aliases as the caller wrote them
	To        string `json:"to"`
	Caller    Party  `json:"caller"`
	Callee    Party  `json:"callee"`
	Route     Route  `json:"route"`
	Media     Media  `json:"media"`
}

// PathDirect is the path of a stream whose media this node does not carry.
const PathDirect = "direct"

// Stream is an m-line as it is carried.
type Stream struct {
	Index  int       `json:"index"`
	Kind   string    `json:"kind"`             // audio, video, slides, bfcp, fecc, other
	Path   string    `json:"path"`             // what carried the last packet: xdp, userspace, direct
	Reason string    `json:"reason,omitempty"` // why not xdp
	A      Direction `json:"from_caller"`
	B      Direction `json:"from_callee"`
}

// Direction is what came from one end of a stream.
type Direction struct {
	Packets  uint64    `json:"packets"`
	Bytes    uint64    `json:"bytes"`
	Lost     int64     `json:"lost"` // RTP packets that were numbered and did not come; negative with duplicates
	JitterMs float64   `json:"jitter_ms"`
	LastSeen time.Time `json:"last_seen,omitzero"`
}

// Side is who ended a call.
type Side string

// Sides.
const (
	ByCaller   Side = "caller"
	ByCallee   Side = "callee"
	ByNode     Side = "node"
	ByOperator Side = "operator"
)

// Kind is the kind of end that a call came to. There are few of them, so that they can
// be counted.
type Kind string

// Kinds of end.
const (
	Completed      Kind = "completed"       // it was answered, and one end hung up
	Cancelled      Kind = "cancelled"       // the caller gave up before an answer
	Refused        Kind = "refused"         // the far end did not take it
	Denied         Kind = "denied"          // this node did not allow it: policy, authentication
	NotFound       Kind = "not_found"       // nobody is there of that name
	Unreachable    Kind = "unreachable"     // who is there does not answer
	Overloaded     Kind = "overloaded"      // a limit of this node is reached
	NoLicence      Kind = "no_licence"      // no licence is left
	NoBandwidth    Kind = "no_bandwidth"    // a subzone or pipe on the way has too little left
	MediaTimeout   Kind = "media_timeout"   // no media came any more
	SessionExpired Kind = "session_expired" // nobody refreshed it (RFC 4028)
	Disconnected   Kind = "disconnected"    // by the operator, or with its registration
	Failed         Kind = "failed"          // anything else
)

// Kinds lists all kinds of end.
func Kinds() []Kind {
	return []Kind{Completed, Cancelled, Refused, Denied, NotFound, Unreachable, Overloaded, NoLicence, NoBandwidth, MediaTimeout, SessionExpired, Disconnected, Failed}
}

// Cause is why a call ended, and who ended it.
type Cause struct {
	Kind   Kind   `json:"kind"`
	By     Side   `json:"by"`
	Status int    `json:"status,omitempty"` // of the final response, where there was one
	Reason string `json:"reason,omitempty"`
}

// Call is a call as commands, records and the API show it. It is a copy.
type Call struct {
	ID     uint64 `json:"id"`     // of this run of the node
	Serial string `json:"serial"` // a UUID, once for all
	State  State  `json:"state"`
	Info
	Started  time.Time `json:"started"`
	Answered time.Time `json:"answered,omitzero"`
	Ended    time.Time `json:"ended,omitzero"`
	Seconds  float64   `json:"seconds"` // since the answer; 0 without one
	Streams  []Stream  `json:"streams"`
	Cause    *Cause    `json:"cause,omitempty"` // of an ended call
	Messages int       `json:"messages"`        // kept for its ladder
}

// Lost returns what was lost of all streams, from the caller and from the callee.
func (c Call) Lost() (a, b int64) {
	for _, s := range c.Streams {
		a, b = a+s.A.Lost, b+s.B.Lost
	}
	return a, b
}

// Handle is what the book asks of whoever carries a call. Both may be called from any
// goroutine and return soon.
type Handle interface {
	// Disconnect ends the call; End follows.
	Disconnect(reason string)
	// Streams says what each stream has carried so far.
	Streams() []Stream
	// Rate says what the parties send now; nil: nobody measures it.
	Rate() *Rate
}
