package flood

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"

	"github.com/pion/stun/v3"

	"turnpike.dev/turnpike/perf/gen"
)

// media is an RTP packet of 60 bytes that no counter of the benchmark knows.
func media(i int) []byte {
	b := make([]byte, 60)
	b[0], b[1] = 2<<6, 0
	binary.BigEndian.PutUint16(b[2:], uint16(i))
	binary.BigEndian.PutUint32(b[8:], uint32(i)|1<<31)
	return b
}

func channelData(number uint16, length int, payload []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, number)
	b = binary.BigEndian.AppendUint16(b, uint16(length))
	return append(b, payload...)
}

func strangers(t Target) ([]gen.Raw, error) {
	return many(forgeries, func(i int) (gen.Raw, error) {
		return t.fromPeers().udp(forged(i), t.Relays[i%len(t.Relays)].Relayed, media(i))
	})
}

// permitted is one peer's traffic from another port than that of its channel.
func permitted(t Target) ([]gen.Raw, error) {
	victim := t.Relays[len(t.Relays)-1]
	from := netip.AddrPortFrom(victim.Channels[0].Peer.Addr(), 9)
	return many(64, func(i int) (gen.Raw, error) { return t.fromPeers().udp(from, victim.Relayed, media(i)) })
}

// greedy is the last relay's client, on its channel.
func greedy(t Target) ([]gen.Raw, error) {
	user := t.Relays[len(t.Relays)-1]
	return many(64, func(i int) (gen.Raw, error) {
		m := media(i)
		return t.fromClients().udp(user.Client, user.Server, channelData(user.Channels[0].Number, len(m), m))
	})
}

// toServer is a flood of the port that takes requests.
func toServer(n int, from func(Target, int) netip.AddrPort, payload func(i int) []byte) func(Target) ([]gen.Raw, error) {
	return func(t Target) ([]gen.Raw, error) {
		return many(n, func(i int) (gen.Raw, error) {
			return t.fromClients().udp(from(t, i), t.Server, payload(i))
		})
	}
}

func anywhere(_ Target, i int) netip.AddrPort { return forged(i) }

// oneSource is one address with many ports.
func oneSource(t Target, i int) netip.AddrPort {
	return netip.AddrPortFrom(t.Attackers[0], uint16(10000+i%4096))
}

func garbage(t Target) ([]gen.Raw, error) {
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // rubbish that is the same in each run
	return toServer(forgeries, anywhere, func(int) []byte {
		b := make([]byte, 40+r.IntN(80))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		b[0] |= 0x80 // neither STUN nor ChannelData
		return b
	})(t)
}

// badSTUN is STUN by its first bytes, and attributes or lengths that cannot be.
func badSTUN(t Target) ([]gen.Raw, error) {
	return toServer(forgeries, anywhere, func(i int) []byte {
		m := stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassRequest))
		m.Add(stun.AttrUsername, []byte("nobody"))
		b := m.Raw
		if i%2 == 0 {
			binary.BigEndian.PutUint16(b[2:], uint16(len(b))) // longer than the datagram
		} else {
			binary.BigEndian.PutUint16(b[22:], 0xfff0) // the attribute leaves the message
		}
		return b
	})(t)
}

func unknownChannels(t Target) ([]gen.Raw, error) {
	return toServer(forgeries, anywhere, func(i int) []byte {
		m := media(i)
		return channelData(0x4000+uint16(i%0x1000), len(m), m)
	})(t)
}

func bindings(many bool) func(Target) ([]gen.Raw, error) {
	return requests(many, stun.MethodBinding)
}

func allocates(many bool) func(Target) ([]gen.Raw, error) {
	return requests(many, stun.MethodAllocate)
}

func requests(many bool, method stun.Method) func(Target) ([]gen.Raw, error) {
	from := oneSource
	if many {
		from = anywhere
	}
	return toServer(forgeries, from, func(int) []byte {
		m := stun.MustBuild(stun.TransactionID, stun.NewType(method, stun.ClassRequest))
		if method == stun.MethodAllocate {
			m.Add(stun.AttrRequestedTransport, []byte{17, 0, 0, 0})
		}
		return m.Raw
	})
}
