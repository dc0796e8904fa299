package licensing

// Party is one end of a call as licences see it.
type Party struct {
	// Registered: to this node or its cluster, or to call control that is a neighbour.
	Registered bool
	// Stranger: it is known by the Default Zone only.
	Stranger bool
	SIP      bool // else H.323
}

// Call is a call as licences see it.
type Call struct {
	A, B Party
	// Media passes this node: its B2BUA is engaged.
	Media bool
	// Beyond: another peer of the cluster passed the call on, and has taken the licence.
	Beyond bool
	// Connected: set-up has completed. Until then a call costs as much as video.
	Connected bool
	// Streams is how many m= lines the session has, those with port 0 left out.
	Streams int
}

// Kind is what a call is counted as.
type Kind uint8

// Kinds of calls.
const (
	RegisteredCall Kind = iota // no licence
	RichMediaCall
)

// Costs in halves of an RMS licence (facts A3).
const (
	video = 2
	audio = 1
)

// Cost returns what a call takes on this node, in halves of an RMS licence (LI-04).
//
//   - Strangers always cost: the Default Zone is nobody's infrastructure.
//   - Between two registered ends nothing, wherever the media goes.
//   - A call that passes two peers of the cluster costs one licence of their pool, which the peer takes that has
//     the caller, whichever of them relays the media.
//   - Everything else costs one: half of it once it is set up and has turned out to be a
//     SIP call with exactly one stream.
func Cost(c Call) (half int, kind Kind) {
	stranger := c.A.Stranger || c.B.Stranger
	switch {
	case !stranger && c.A.Registered && c.B.Registered:
		return 0, RegisteredCall
	case c.Beyond:
		return 0, RichMediaCall
	case c.Connected && c.A.SIP && c.B.SIP && c.Streams == 1:
		return audio, RichMediaCall
	}
	return video, RichMediaCall
}
