package wire

import (
	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/liveness"
)

type beatBody struct {
	Incarnation uint64 `cbor:"1,keyasint,omitempty"`
	Seq         uint64 `cbor:"2,keyasint,omitempty"`
	Echo        uint64 `cbor:"3,keyasint,omitempty"`
	EchoOf      uint64 `cbor:"4,keyasint,omitempty"`
	Held        int64  `cbor:"5,keyasint,omitempty"`
	Leaving     bool   `cbor:"6,keyasint,omitempty"`
}

func beatOf(m liveness.Beat) *beatBody {
	return &beatBody{uint64(m.Incarnation), m.Seq, m.Echo, uint64(m.EchoOf), int64(m.Held), m.Leaving}
}

func (b *beatBody) message() (any, error) {
	var c check
	m := liveness.Beat{
		Incarnation: cluster.Incarnation(b.Incarnation), Seq: b.Seq, Echo: b.Echo, EchoOf: cluster.Incarnation(b.EchoOf),
		Held: c.span("held", b.Held), Leaving: b.Leaving,
	}
	return m, c.err
}
