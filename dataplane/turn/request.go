package turn

import (
	"bytes"
	"time"
	"unicode/utf8"

	"github.com/pion/stun/v3"

	"turnpike.dev/turnpike/dataplane/relay"
)

// request is a STUN message from a client on its way to an answer. Requests are
// pooled: nothing of one may be kept.
type request struct {
	from fiveTuple
	back client
	meta relay.Meta
	now  time.Time

	msg     stun.Message
	reply   stun.Message
	creds   *credentials // that the account was found in
	account account
	instead Alternate             // of an answer 300
	key     stun.MessageIntegrity // of an authenticated request: signs the answer
}

// Codes that are no error codes: the request succeeded, or gets no answer.
const (
	success stun.ErrorCode = 0
	silence stun.ErrorCode = -1
)

func newRequest() *request {
	r := new(request)
	stun.WithStrict(true)(&r.msg) // drops what follows MESSAGE-INTEGRITY
	return r
}

// decode reads the message; false: it is not one, and gets no answer.
func (r *request) decode(packet []byte) bool {
	if stun.Decode(packet, &r.msg) != nil {
		return false
	}
	// A datagram is one message, and the fingerprint must fit if there is one
	// (RFC 8489 section 6.3).
	if len(packet) != 20+int(r.msg.Length) || r.msg.Length%4 != 0 {
		return false
	}
	return !r.msg.Contains(stun.AttrFingerprint) || stun.Fingerprint.Check(&r.msg) == nil
}

// begin starts an answer of the class.
func (r *request) begin(class stun.MessageClass) {
	r.reply.Reset()
	r.reply.Type = stun.NewType(r.msg.Type.Method, class)
	r.reply.TransactionID = r.msg.TransactionID
	r.reply.WriteHeader()
}

// refuse makes the answer an error response.
func (s *Server) refuse(r *request, code stun.ErrorCode) {
	r.begin(stun.ClassErrorResponse)
	addErrorCode(&r.reply, code)
	switch code {
	case stun.CodeTryAlternate:
		r.addAlternate()
	case stun.CodeUnknownAttribute:
		r.reply.Add(stun.AttrUnknownAttributes, unknownAttributes(&r.msg))
	case stun.CodeUnauthorized, stun.CodeStaleNonce:
		r.key = nil // the client has to start anew, with these
		r.reply.Add(stun.AttrRealm, []byte(s.cfg.Realm))
		r.reply.Add(stun.AttrNonce, s.nonces.issue(r.from.client, r.now))
	}
}

// finish signs the answer and adds FINGERPRINT when the request had one.
func (s *Server) finish(r *request) {
	if r.key != nil {
		if s.cfg.Software != "" {
			r.reply.Add(stun.AttrSoftware, []byte(s.cfg.Software))
		}
		_ = r.key.AddTo(&r.reply) // fails only behind a FINGERPRINT
	}
	if r.msg.Contains(stun.AttrFingerprint) {
		_ = stun.Fingerprint.AddTo(&r.reply)
	}
}

// handle answers a request or follows an indication.
func (s *Server) handle(r *request) {
	switch r.msg.Type.Class {
	case stun.ClassIndication:
		if r.msg.Type.Method == stun.MethodSend {
			s.sendIndication(r)
		}
		return
	case stun.ClassRequest:
	default:
		return
	}
	s.stats.request(r.msg.Type.Method)
	r.begin(stun.ClassSuccessResponse)
	code := s.dispatch(r)
	s.stats.answer(code)
	if code == silence {
		return
	}
	if code != success {
		s.refuse(r, code)
	}
	s.finish(r)
	s.toClient(r.from, r.back, r.reply.Raw, relay.Meta{})
}

// dispatch runs the request up to its code, with the success attributes in r.reply.
func (s *Server) dispatch(r *request) stun.ErrorCode {
	if r.msg.Type.Method == stun.MethodBinding {
		return s.binding(r)
	}
	if code := s.authenticate(r); code != success {
		return code
	}
	if len(unknownAttributes(&r.msg)) > 0 {
		return stun.CodeUnknownAttribute
	}
	s.mu.Lock()
	defer s.unlock()
	if s.closed {
		return silence
	}
	a := s.lookup(r.from, r.now)
	mine := a != nil && a.account.name == r.account.name
	switch {
	case r.account.lapsed && !mine, r.creds != s.creds.Load() && !s.creds.Load().holds(r.account):
		return stun.CodeUnauthorized
	case r.msg.Type.Method == stun.MethodAllocate:
		return s.allocate(r, a)
	case a == nil:
		return stun.CodeAllocMismatch
	case !mine:
		return stun.CodeWrongCredentials
	}
	switch r.msg.Type.Method {
	case stun.MethodRefresh:
		return s.refresh(r, a)
	case stun.MethodCreatePermission:
		return s.createPermission(r, a)
	case stun.MethodChannelBind:
		return s.channelBind(r, a)
	}
	return stun.CodeBadRequest
}

// binding answers where the client was seen (RFC 8489 section 3).
func (s *Server) binding(r *request) stun.ErrorCode {
	if !s.answers.spend(r.from.client.Addr(), r.now) {
		s.stats.limited.Add(1)
		return silence
	}
	if len(unknownAttributes(&r.msg)) > 0 {
		return stun.CodeUnknownAttribute
	}
	addXORAddress(&r.reply, stun.AttrXORMappedAddress, r.from.client)
	return success
}

// authenticate checks the long-term credential (RFC 8489 section 9.2.4).
//
// The nonce is looked at before the password: a forged source address has no nonce
// and so can neither use up its owner's guesses nor make us compute a key, and 438
// says nothing about the password.
func (s *Server) authenticate(r *request) stun.ErrorCode {
	if !r.msg.Contains(stun.AttrMessageIntegrity) {
		return s.challenge(r, stun.CodeUnauthorized)
	}
	user, errUser := r.msg.Get(stun.AttrUsername)
	realm, errRealm := r.msg.Get(stun.AttrRealm)
	nonce, errNonce := r.msg.Get(stun.AttrNonce)
	if errUser != nil || errRealm != nil || errNonce != nil || len(user) > maxUsername || !utf8.Valid(user) {
		return s.challenge(r, stun.CodeBadRequest)
	}
	if !s.nonces.valid(nonce, r.from.client, r.now) {
		return s.challenge(r, stun.CodeStaleNonce)
	}
	name := string(user)
	if !s.guesses.allowed(r.from.client.Addr(), name, r.now) && !s.ownsAllocation(r.from, name) {
		s.stats.guessesLimited.Add(1)
		return silence
	}
	creds := s.creds.Load()
	account, key, right := creds.check(&r.msg, name, r.now)
	if !right || !bytes.Equal(realm, []byte(s.cfg.Realm)) {
		s.guesses.wrong(r.from.client.Addr(), name, r.now)
		return stun.CodeUnauthorized
	}
	s.guesses.right(r.from.client.Addr(), name)
	s.answers.refund(r.from.client.Addr(), r.now)
	s.known(r.from)
	r.creds, r.account, r.key = creds, account, key
	return success
}

// known says that a client has shown its password. What comes by TCP or TLS need not be
// told from forged sources.
func (s *Server) known(from fiveTuple) {
	if s.cfg.Known != nil && from.transport == UDP {
		s.cfg.Known(from.client.Addr())
	}
}

// challenge lets an answer to an unauthenticated request through when its source
// has not had too many.
func (s *Server) challenge(r *request, code stun.ErrorCode) stun.ErrorCode {
	if !s.answers.spend(r.from.client.Addr(), r.now) {
		s.stats.limited.Add(1)
		return silence
	}
	return code
}

func (s *Server) ownsAllocation(t fiveTuple, name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.allocations[t]
	return a != nil && a.account.name == name
}
