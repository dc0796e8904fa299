package mesh

import (
	"errors"
	"fmt"
)

// Reasons why a peer is not spoken to.
var (
	ErrResolve      = errors.New("the address cannot be resolved: mend the entry, the address mapping or the DNS record")
	ErrUnreachable  = errors.New("not reached: see whether the peer runs, and that firewalls let the cluster's ports through")
	ErrUnlisted     = errors.New("the address is not that of an entry of the list of peers")
	ErrProtocol     = errors.New("it does not speak the cluster's protocol")
	ErrCertificate  = errors.New("its certificate is not accepted (enforced)")
	ErrKey          = errors.New("it shows another key than the one that was pinned: if its certificate was changed, run `turnpike cluster trust`")
	ErrOther        = errors.New("another node answers than before: if it was replaced, run `turnpike cluster trust`")
	ErrSelf         = errors.New("the entry is this node itself")
	ErrDuplicate    = errors.New("the node is another entry of the list already")
	ErrCluster      = errors.New("it has not joined the same cluster")
	ErrRefused      = errors.New("the peer refused this node")
	ErrBusy         = errors.New("too many connections at once")
	ErrNotConnected = errors.New("there is no connection with the peer: see `turnpike cluster status`")
	ErrSlow         = errors.New("the peer does not take what is sent to it")
)

// RequestError is a request that reached the peer and could not be done there; it is for people.
type RequestError struct{ Why string }

func (e *RequestError) Error() string { return fmt.Sprintf("the peer answered: %s", e.Why) }
