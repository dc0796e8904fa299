package transaction

import "turnpike.dev/turnpike/signaling/sip/message"

// state is where a transaction is. Beyond the last ones here it is a record in the table.
type state uint8

const (
	start state = iota // Calling, or Trying
	proceeding
	accepted  // RFC 6026: a 2xx went through
	completed // any other final response did
	ended
	states
)

func (s state) String() string {
	return [states]string{"start", "proceeding", "accepted", "completed", "ended"}[s]
}

// event is what happens to a transaction.
type event uint8

const (
	repeated    event = iota // the request came again
	provisional              // a response: 1xx,
	success                  // 2xx,
	failure                  // or another final one
	acked                    // its ACK came
	resend                   // the clock: time to send again,
	timeout                  // and to give up
	broken                   // the transport failed
	events
)

func (e event) String() string {
	return [events]string{"repeated", "provisional", "success", "failure", "acked", "resend", "timeout", "broken"}[e]
}

// machine says what a kind of transaction does. An entry without a function is an event that means
// nothing in that state.
type machine[T any] [states][events]step[T]

// step is a transition. The state changes first, so that users who are called may go on at once.
type step[T any] struct {
	to state
	do func(*T, *message.Message)
}

type machines struct {
	inviteServer, server machine[Server]
	inviteClient, client machine[Client]
}

func newMachines() machines {
	return machines{inviteServer(), plainServer(), inviteClient(), plainClient()}
}

// inviteServer is RFC 3261 figure 7 with RFC 6026 section 7.1.
func inviteServer() machine[Server] {
	return machine[Server]{
		proceeding: {
			repeated:    {proceeding, (*Server).repeat},     // RFC 3261 17.2.1
			provisional: {proceeding, (*Server).provide},    // 17.2.1
			success:     {accepted, (*Server).accept},       // RFC 6026 7.1, timer L
			failure:     {completed, (*Server).reject},      // RFC 3261 17.2.1, timers G and H
			resend:      {proceeding, (*Server).try},        // 17.2.1: 100 after 200 ms
			timeout:     {proceeding, (*Server).loseInvite}, // nobody answers: ours to bound
			broken:      {ended, (*Server).breakOff},        // 17.2.4
		},
		accepted: {
			repeated: {accepted, (*Server).absorb},      // RFC 6026 7.1
			success:  {accepted, (*Server).provide},     // 7.1: the user may repeat it
			acked:    {ended, (*Server).confirmSuccess}, // RFC 3261 13.3.1.4
			resend:   {accepted, (*Server).repeat},      // 13.3.1.4
			timeout:  {ended, (*Server).missAck},        // 13.3.1.4
			broken:   {ended, (*Server).breakOff},       // RFC 6026 7.1
		},
		completed: {
			repeated: {completed, (*Server).repeat}, // RFC 3261 17.2.1
			acked:    {ended, (*Server).confirm},    // 17.2.1, timer I: Confirmed is a record
			resend:   {completed, (*Server).repeat}, // 17.2.1, timer G
			timeout:  {ended, (*Server).missAck},    // 17.2.1, timer H
			broken:   {ended, (*Server).breakOff},   // 17.2.4
		},
	}
}

// plainServer is RFC 3261 figure 8 with RFC 4320 section 4. Completed is a record.
func plainServer() machine[Server] {
	return machine[Server]{
		start: {
			repeated:    {start, (*Server).absorb},       // RFC 3261 17.2.2
			provisional: {proceeding, (*Server).provide}, // 17.2.2
			success:     {ended, (*Server).finish},       // 17.2.2, timer J
			failure:     {ended, (*Server).finish},       // 17.2.2, timer J
			resend:      {proceeding, (*Server).try},     // RFC 4320 4.1: 100 when timer E has become T2
			timeout:     {ended, (*Server).lose},         // RFC 4320 4.2: too late for any answer
			broken:      {ended, (*Server).breakOff},     // RFC 3261 17.2.4
		},
		proceeding: {
			repeated:    {proceeding, (*Server).repeat},  // 17.2.2
			provisional: {proceeding, (*Server).provide}, // 17.2.2
			success:     {ended, (*Server).finish},       // 17.2.2, timer J
			failure:     {ended, (*Server).finish},       // 17.2.2, timer J
			timeout:     {ended, (*Server).lose},         // RFC 4320 4.2
			broken:      {ended, (*Server).breakOff},     // RFC 3261 17.2.4
		},
	}
}

// inviteClient is RFC 3261 figure 5 with RFC 6026 section 7.2. Accepted and Completed are records.
func inviteClient() machine[Client] {
	return machine[Client]{
		start: {
			provisional: {proceeding, (*Client).proceed}, // RFC 3261 17.1.1.2
			success:     {ended, (*Client).accept},       // RFC 6026 7.2, timer M
			failure:     {ended, (*Client).reject},       // RFC 3261 17.1.1.2, timer D
			resend:      {start, (*Client).repeat},       // 17.1.1.2, timer A
			timeout:     {ended, (*Client).expire},       // 17.1.1.2, timer B
			broken:      {ended, (*Client).breakOff},     // 17.1.4
		},
		proceeding: {
			provisional: {proceeding, (*Client).proceed}, // 17.1.1.2
			success:     {ended, (*Client).accept},       // RFC 6026 7.2, timer M
			failure:     {ended, (*Client).reject},       // RFC 3261 17.1.1.2, timer D
			timeout:     {ended, (*Client).abandon},      // 9.1: cancelled and still not answered; 16.6, timer C
		},
	}
}

// plainClient is RFC 3261 figure 6. Completed is a record.
func plainClient() machine[Client] {
	return machine[Client]{
		start: {
			provisional: {proceeding, (*Client).slow}, // 17.1.2.2
			success:     {ended, (*Client).finish},    // 17.1.2.2, timer K
			failure:     {ended, (*Client).finish},    // 17.1.2.2, timer K
			resend:      {start, (*Client).repeat},    // 17.1.2.2, timer E
			timeout:     {ended, (*Client).expire},    // 17.1.2.2, timer F
			broken:      {ended, (*Client).breakOff},  // 17.1.4
		},
		proceeding: {
			provisional: {proceeding, (*Client).slow},   // 17.1.2.2
			success:     {ended, (*Client).finish},      // 17.1.2.2, timer K
			failure:     {ended, (*Client).finish},      // 17.1.2.2, timer K
			resend:      {proceeding, (*Client).repeat}, // 17.1.2.2, timer E at T2
			timeout:     {ended, (*Client).expire},      // 17.1.2.2, timer F
			broken:      {ended, (*Client).breakOff},    // 17.1.4
		},
	}
}
