package main

import (
	"turnpike.dev/turnpike/control/calls"
	"turnpike.dev/turnpike/control/metrics"
	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip"
	"turnpike.dev/turnpike/signaling/sip/patience"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

// addSIP adds what the stack counts, and calls and registrations.
func (n *node) addSIP(s *metrics.Snapshot) {
	if n.calls != nil {
		c := n.running()
		s.Calls, s.CallLimit = n.calls.Stats(), c.MaxCalls()
		s.Registrations, s.RegistrationLimit = n.bound.Counts(), c.MaxRegistrations()
	}
	if n.phones == nil {
		s.SIP = sipMetrics(sip.Stats{}, transport.Idle())
		idle := metrics.Waited((*patience.Patience)(nil).Stats())
		s.SIP.CallsWaited, s.SIP.RegistrationsWaited = idle, idle
		return
	}
	s.SIP = sipMetrics(n.phones.stack.Stats(), n.phones.stack.Transport().Stats())
	s.SIP.CallsWaited = metrics.Waited(n.phones.calls.Waited())
	s.SIP.RegistrationsWaited = metrics.Waited(n.phones.registrar.Waited())
	s.SIP.Dialogs = 2 * s.Calls.Running[calls.Connected]
	s.Media = n.phones.media.Counts()
}

// sipMetrics brings the counters of the layers together under the few words that an
// operator looks for.
func sipMetrics(stack sip.Stats, wire transport.Stats) metrics.SIP {
	l := wire.Loop
	return metrics.SIP{
		Requests: wire.Requests, Answers: wire.Answers,
		Messages:     map[string]uint64{"udp": l.Messages[loop.UDP], "tcp": l.Messages[loop.TCP], "tls": l.Messages[loop.TLS]},
		Connections:  l.Open,
		Transactions: map[string]int{"server": stack.Transactions.Servers, "client": stack.Transactions.Clients},
		Refused: map[string]uint64{
			"connections": l.RefusedFull,
			"rate":        l.RefusedRate + wire.OverRate,
			"malformed":   l.ClosedMalformed + wire.Bad,
			"scanner":     wire.Scanners,
			"overload":    stack.Refused + stack.Transactions.Refused,
			"slow":        l.ClosedSlow + l.ClosedReader,
			"handshake":   l.Handshakes,
			"descriptors": l.NoDescriptors,
		},
		Timeouts: stack.Transactions.Timeouts, Repeated: stack.Transactions.Repeated, Resent: stack.Transactions.Resent,
	}
}
