package dialog

import (
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"

	"turnpike.dev/turnpike/signaling/sip/message"
)

// MaxReliable is how many reliable provisional responses one INVITE may have.
const MaxReliable = 64

// ErrNoSuchResponse means that a PRACK acknowledges nothing that was sent; it is answered 481 (RFC
// 3262 section 3).
var ErrNoSuchResponse = errors.New("no such response is waiting to be acknowledged")

// Reliable numbers the reliable provisional responses that one side of a B2BUA passes to
// the other: each side has its own RSeq, and a PRACK has to name the right one (RFC 3262).
// Who sent a response repeats it until its PRACK comes; a repetition has the number that
// the first one had. The zero value is ready.
type Reliable struct {
	first uint32 // our number of the first response
	seqs  []pass
}

// pass is one response: what the far side called it is the place in seqs.
type pass struct {
	theirs, cseq uint32
	acked        bool
}

// Pass returns our RSeq for a response that came with theirs, in answer to their INVITE
// with CSeq cseq. ok is false when there are too many.
func (r *Reliable) Pass(theirs, cseq uint32) (ours uint32, ok bool) {
	for i, p := range r.seqs {
		if p.theirs == theirs && p.cseq == cseq {
			return r.first + uint32(i), true
		}
	}
	if len(r.seqs) == MaxReliable {
		return 0, false
	}
	if len(r.seqs) == 0 {
		r.first = 1 + rand.Uint32N(1<<30) // from 1 to 2**31 - 1, with room (RFC 3262 section 3)
	}
	r.seqs = append(r.seqs, pass{theirs: theirs, cseq: cseq})
	return r.first + uint32(len(r.seqs)) - 1, true
}

// Ack finds the response that a PRACK's RAck names, and returns what the far side called
// it and its INVITE. again is true of one that was acknowledged before.
func (r *Reliable) Ack(rack RAck) (theirs, cseq uint32, again bool, err error) {
	i := int(rack.RSeq) - int(r.first)
	if len(r.seqs) == 0 || i < 0 || i >= len(r.seqs) || rack.Method != message.Invite {
		return 0, 0, false, ErrNoSuchResponse
	}
	p := &r.seqs[i]
	again, p.acked = p.acked, true
	return p.theirs, p.cseq, again, nil
}

// RAck is what a PRACK acknowledges (RFC 3262 section 7.2).
type RAck struct {
	RSeq, CSeq uint32
	Method     message.Method
}

// String returns the header field's value.
func (r RAck) String() string {
	b := strconv.AppendUint(make([]byte, 0, 32), uint64(r.RSeq), 10)
	b = strconv.AppendUint(append(b, ' '), uint64(r.CSeq), 10)
	return string(append(append(b, ' '), r.Method...))
}

// ParseRAck reads a RAck.
func ParseRAck(s string) (RAck, error) {
	f := strings.Fields(s)
	if len(f) != 3 {
		return RAck{}, errors.New("RAck wants a response number, a sequence number and a method")
	}
	rseq, err1 := strconv.ParseUint(f[0], 10, 32)
	cseq, err2 := strconv.ParseUint(f[1], 10, 32)
	if err := errors.Join(err1, err2); err != nil {
		return RAck{}, err
	}
	return RAck{uint32(rseq), uint32(cseq), message.Method(f[2])}, nil
}

// RSeq returns the number of a response that is sent reliably (RFC 3262 section 7.1);
// false for others.
func RSeq(resp *message.Message) (uint32, bool) {
	if resp.Status() <= 100 || resp.Status() >= 200 || !HasToken(resp, "Require", "100rel") {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSpace(resp.Get("RSeq")), 10, 32)
	return uint32(n), err == nil
}

// HasToken reports whether a list of tokens has one, whatever its case.
func HasToken(m *message.Message, header, token string) bool {
	for _, t := range m.Tokens(header) {
		if strings.EqualFold(t, token) {
			return true
		}
	}
	return false
}
