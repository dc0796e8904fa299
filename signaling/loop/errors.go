package loop

import "errors"

// Why a connection is closed or not made.
var (
	ErrTooMany         = errors.New("there are as many connections as are allowed")
	ErrTooManyOfSource = errors.New("the source has as many connections as it may have")
	ErrTooLarge        = errors.New("the message is too large")
	ErrSlowMessage     = errors.New("the message took too long to complete")
	ErrSlowHandshake   = errors.New("the handshake took too long")
	ErrBusyHandshakes  = errors.New("too many handshakes are under way")
	ErrIdle            = errors.New("nothing came for too long")
	ErrSlowReader      = errors.New("the other side does not read what it is sent")
	ErrPeerClosed      = errors.New("the other side closed the connection")
	ErrEnding          = errors.New("the node is ending")
	ErrNotRunning      = errors.New("signalling is not running")
	ErrNoSocket        = errors.New("no UDP socket has that local address")
)
