package transport

import (
	"github.com/pion/stun/v3"

	"turnpike.dev/turnpike/signaling/loop"
)

// answerSTUN answers the keep-alive of clients that registered over UDP: a STUN binding
// request at the SIP port (RFC 5626 section 4.4.2). It needs no credentials, and the
// answer is no larger than a SIP one would be.
func answerSTUN(src loop.Source, data []byte) ([]byte, bool) {
	if !stun.IsMessage(data) {
		return nil, false
	}
	var m stun.Message
	if err := stun.Decode(data, &m); err != nil || m.Type != stun.BindingRequest {
		return nil, false
	}
	at := src.Remote
	a, err := stun.Build(stun.NewTransactionIDSetter(m.TransactionID), stun.BindingSuccess,
		&stun.XORMappedAddress{IP: at.Addr().AsSlice(), Port: int(at.Port())}, stun.Fingerprint)
	if err != nil {
		return nil, false
	}
	return a.Raw, true
}
