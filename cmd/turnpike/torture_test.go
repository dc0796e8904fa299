package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/message/torture"
	"turnpike.dev/turnpike/signaling/sip/transaction"
)

// Every message of RFC 4475, sent to a node that serves their domains, gets the answer that the table says, or none.
func TestTortureMessagesAtANode(t *testing.T) {
	for name, c := range map[string]struct {
		file   string
		layers []torture.Layer
	}{
		"who may register without a password": {
			`domains: [example.com, example.org]
default_subzone: {authentication: treat_as_authenticated}
zones: [{name: tests, type: neighbour, protocol: sip, peers: ["127.0.0.2:5060"], monitor: off}]
`,
			[]torture.Layer{torture.Nobody, torture.Message, torture.Core, torture.Registrar, torture.Router, torture.Response},
		},
		"who may not": {"domains: [example.com]\n", []torture.Layer{torture.Access}},
	} {
		t.Run(name, func(t *testing.T) {
			_, at := phonesOn(t, transaction.Timers{}, c.file)
			for _, m := range torture.Cases(t) {
				for _, l := range c.layers {
					if m.Layer == l {
						t.Run(m.Name, func(t *testing.T) { answered(t, at, m) })
					}
				}
			}
		})
	}
}

// answered sends a message from where its Via says that answers go to.
func answered(t *testing.T, at netip.AddrPort, c torture.Case) {
	port, id := uint16(5060), ""
	m, err := message.Parse(c.Data)
	var f *message.Fault
	if errors.As(err, &f) {
		m = f.Message
	}
	if m != nil {
		if id = m.CallID(); m.Via().Port != 0 {
			port = m.Via().Port
		}
	}
	conn := listenUDP(t, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.2"), port).String())
	defer func() { _ = conn.Close() }()
	if _, err := conn.WriteToUDPAddrPort(c.Data, at); err != nil {
		t.Fatal(err)
	}
	if c.Layer == torture.Nobody || c.Layer == torture.Response {
		silent(t, conn, at, port)
		return
	}
	want, also := c.Status, decided[c.Name]
	got := finalStatus(t, conn, id)
	switch {
	case got == also:
	case want != 0 && c.Layer != torture.Router && got != want:
		t.Errorf("answered with %d, want %d: %s", got, want, c.Why)
	case c.Layer == torture.Router && (got == 400 || got >= 500 && got < 600 && got != 501):
		t.Errorf("answered with %d, and it is a good request: %s", got, c.Why)
	}
}

// decided are answers that another part of the node gives before.
var decided = map[string]int{
	"escnull": 404, // a name with a control character is none (control/alias)
	"invut":   404, // bodies are for the callee to understand, and there is none
}

// silent fails when anything comes before the answer to a question that is asked afterwards.
func silent(t *testing.T, conn *net.UDPConn, at netip.AddrPort, port uint16) {
	t.Helper()
	uri := message.URI{Scheme: "sip", Host: at.Addr().String(), Port: at.Port()}
	ask := message.NewRequest(message.Options, uri)
	ask.PushVia(message.Via{Transport: "UDP", Host: "127.0.0.2", Port: port, Params: message.Params{{Name: "branch", Value: message.NewBranch()}}})
	ask.SetFrom(message.Address{URI: uri}.WithTag(strconv.Itoa(int(port))))
	ask.SetTo(message.Address{URI: uri})
	ask.SetCallID(message.NewCallID())
	ask.SetCSeq(1, message.Options)
	if _, err := conn.WriteToUDPAddrPort(ask.Append(nil), at); err != nil {
		t.Fatal(err)
	}
	if status, id := nextAnswer(t, conn); id != ask.CallID() || status != 200 {
		t.Errorf("call %q is answered with %d", id, status)
	}
}

// finalStatus reads until the final response of a call comes.
func finalStatus(t *testing.T, conn *net.UDPConn, call string) int {
	t.Helper()
	for {
		if status, id := nextAnswer(t, conn); status >= 200 && id == call {
			return status
		}
	}
}

// nextAnswer reads a response, whose header fields may be as bad as those of the request.
func nextAnswer(t *testing.T, conn *net.UDPConn) (status int, call string) {
	t.Helper()
	buf := make([]byte, message.MaxSize)
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	n, err := conn.Read(buf)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	text := string(buf[:n])
	if _, err := fmt.Sscanf(text, "SIP/2.0 %d ", &status); err != nil {
		t.Fatalf("%q is no response: %v", text, err)
	}
	if _, rest, there := strings.Cut(text, "\r\nCall-ID: "); there {
		call, _, _ = strings.Cut(rest, "\r\n")
	}
	return status, call
}
