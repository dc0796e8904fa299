// Package flood makes the rubbish that a TURN server on the internet meets: packets of
// strangers, malformed and forged ones, requests without end, connections that ask for
// nothing. It exists to find out how much of each the innocent, whose media is relayed at
// the same time, do not notice.
//
// Packets come from the kernel generator (perf/gen): a process that floods through
// sockets is slower than what it floods, and would measure itself. What needs a
// connection or an answer comes from one thread with sockets.
package flood

import (
	"context"
	"net/netip"

	"turnpike.dev/turnpike/perf/gen"
	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/load"
)

// Target is what is flooded.
type Target struct {
	Lab    *lab.Lab
	Server netip.AddrPort // where it takes requests
	// Attackers are addresses of the client's host that only floods use.
	Attackers      []netip.Addr
	User, Password string
	Relays         []load.Relay // of the innocent; the last one is the greedy user's
	// Alone: there is no server, only the generators are measured.
	Alone bool
}

// Source sends one kind of rubbish.
type Source interface {
	// Run sends so many each second, 0 for as many as it can, from one CPU until ctx
	// ends, and returns how many a second it were.
	Run(ctx context.Context, rate float64, cpu int) (float64, error)
	Close() error
}

// Kind is one kind of rubbish.
type Kind struct {
	Name string
	Text string
	Unit string // what is counted: packets, connections, set-ups
	High float64
	// TCP: the newcomer whose set-up is timed comes over TCP too.
	TCP bool
	// Reasons are counters of the node, any of which names what became of it.
	Reasons []string

	open func(context.Context, Target) (Source, error)
}

// Open prepares a source. Close it.
func (k Kind) Open(ctx context.Context, t Target) (Source, error) { return k.open(ctx, t) }

// Packet rates are searched up to more than the generator has.
const mostPackets = 3e6

// Kinds are all there are.
func Kinds() []Kind {
	packets := func(name, text string, frames func(Target) ([]gen.Raw, error), reasons ...string) Kind {
		return Kind{Name: name, Text: text, Unit: "packets", High: mostPackets, Reasons: reasons, open: raw(frames)}
	}
	return []Kind{
		packets("strangers", "media from addresses without permission to the relays", strangers, "stranger"),
		packets("data", "one permitted peer without a channel sends to its relay", permitted, "no_flow"),
		packets("greedy", "one user sends on its channel, granted 128 kbit/s", greedy, "policed"),
		packets("garbage", "UDP that is no TURN, forged sources", garbage, "not_turn", "garbage"),
		packets("bad-stun", "STUN with wrong lengths, forged sources", badSTUN, "not_turn", "garbage"),
		packets("channels", "ChannelData of channels that nobody has, forged sources", unknownChannels, "control", "crowd"),
		packets("binding", "Binding requests, one source", bindings(false), "Binding", "crowd"),
		packets("401-one", "Allocate without a user, one source", allocates(false), "Allocate", "crowd"),
		packets("401-many", "Allocate without a user, forged sources", allocates(true), "Allocate", "crowd"),
		packets("password", "Allocate with a wrong password and a right nonce, one source", wrongPassword, "Allocate", "crowd"),
		packets("repeat", "one user repeats its Allocate", repeated, "Allocate", "crowd"),
		packets("fragments", "first fragments that nothing follows", fragments, "ip_fragment"),
		packets("vlan", "frames with a VLAN tag that is nobody's", tagged, "unknown_vlan"),
		packets("icmp", "echo requests", echoes, "not_udp"),
		packets("arp", "ARP requests, each address with many link addresses", arps, "not_ip"),
		packets("syn", "TCP SYN, forged sources", syns, "not_udp"),
		{
			Name: "connect", Text: "TCP connections, closed at once, one source", Unit: "connections", High: 1e5, TCP: true,
			Reasons: []string{"source_rate", "source_full"}, open: connections(256, false),
		},
		{
			Name: "hold", Text: "TCP connections that send half a header and wait, one source", Unit: "connections", High: 1e5, TCP: true,
			Reasons: []string{"source_rate", "source_full"}, open: connections(4000, true),
		},
		{
			Name: "set-ups", Text: "relays made and given back by one user", Unit: "set-ups", High: 1e4,
			Reasons: []string{"Allocate"}, open: setups,
		},
	}
}

// raw makes a source of frames.
func raw(frames func(Target) ([]gen.Raw, error)) func(context.Context, Target) (Source, error) {
	return func(_ context.Context, t Target) (Source, error) {
		fs, err := frames(t)
		if err != nil {
			return nil, err
		}
		g, err := gen.NewRaw(fs)
		if err != nil {
			return nil, err
		}
		return packets{g}, nil
	}
}

type packets struct{ *gen.Generator }

// Run implements Source.
func (p packets) Run(ctx context.Context, rate float64, cpu int) (float64, error) {
	r, err := p.Generator.Run(ctx, gen.Load{Rate: rate, CPU: cpu})
	return r.Rate(), err
}
