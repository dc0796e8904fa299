package transport

import (
	"errors"
	"testing"

	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip/message"
)

// RFC 5626 section 5.3: a flow that is named by its far end is found as long as it is open, and not opened again.
func TestFlowByItsFarEnd(t *testing.T) {
	n := start(t, nil)
	c := client(t, "tcp", n.at(loop.TCP))
	write(t, c, text(c, "OPTIONS"))
	r := wait(t, n.came, "the request")
	hop := Hop{Transport: loop.TCP, Remote: r.src.Remote, Local: r.src.Local.Addr(), Only: true}
	n.Send(hop, message.NewResponse(r.m, 200, "").Append(nil), fail(t))
	if got := response(t, c); got.Status() != 200 {
		t.Errorf("answered %d", got.Status())
	}
	_ = c.Close()
	wait(t, n.closed, "the end of the connection")
	told := make(chan error, 1)
	n.Send(hop, message.NewResponse(r.m, 200, "").Append(nil), func(err error) { told <- err })
	if err := wait(t, told, "the failure"); !errors.Is(err, ErrFlow) {
		t.Errorf("%v", err)
	}
}
