package message

import "fmt"

// Fault is what is wrong with a message, and the answer it deserves.
type Fault struct {
	Status int
	Reason string
	// Message has enough of the request to answer it by NewResponse. nil: nobody is answered,
	// because it is a response, an ACK, or not said where to answer to.
	Message *Message
}

// Error implements error.
func (f *Fault) Error() string { return fmt.Sprintf("bad message: %d %s", f.Status, f.Reason) }

// fault makes one without a message to answer yet.
func fault(status int, format string, args ...any) *Fault {
	return &Fault{Status: status, Reason: fmt.Sprintf(format, args...)}
}
