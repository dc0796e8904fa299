package api

import (
	"context"
	"time"

	"turnpike.dev/turnpike/control/machine"
	"turnpike.dev/turnpike/dataplane/relay"
)

// TrafficSource tells what moves. Asking costs one pass over the flow table; the packet
// path is not touched.
type TrafficSource interface {
	Traffic() Traffic
	Losses() []machine.Loss
}

// Traffic is everything that counts up while packets move, at one moment: who wants rates
// takes two of them.
type Traffic struct {
	At         time.Time          `json:"at"`
	Paths      []PathTraffic      `json:"paths"`
	Interfaces []InterfaceTraffic `json:"interfaces"`
	Reasons    []Reason           `json:"reasons"`
	Losses     []machine.Loss     `json:"losses"`
	Relays     []RelayTraffic     `json:"relays"`
	Program    *Runs              `json:"program,omitempty"` // none without XDP
}

// PathTraffic is what all relays carried by one path in one direction.
type PathTraffic struct {
	Path      relay.Path `json:"path"`
	Direction string     `json:"direction"` // up or down
	relay.Carried
}

// InterfaceTraffic is what one interface carried, and how it was spread.
type InterfaceTraffic struct {
	machine.Link
	Path   string `json:"path"`
	Mode   string `json:"mode,omitempty"`
	Spread Spread `json:"spread"`
}

// Spread is how the received packets were spread over receive queues or, where the driver
// does not count them, over CPUs.
type Spread struct {
	Over    string   `json:"over"` // queues or cpus; empty: not known
	Packets []uint64 `json:"packets,omitempty"`
}

// RelayTraffic is what one TURN allocation carried.
type RelayTraffic struct {
	ID        uint64        `json:"id"`
	User      string        `json:"user"`
	Transport string        `json:"transport"`
	Client    string        `json:"client"`
	Path      string        `json:"path"` // none without a channel
	Up        relay.Carried `json:"up"`
	Down      relay.Carried `json:"down"`
	// Expected and Received are the RTP packets of both directions that senders numbered,
	// and those that came.
	Expected uint64 `json:"expected,omitempty"`
	Received uint64 `json:"received,omitempty"`
}

// Runs is how often the XDP program ran and for how long, while anybody had the kernel
// count it: for as long as it did not, both stand still.
type Runs struct {
	ID          uint32 `json:"id"`
	Count       uint64 `json:"count"`
	Nanoseconds uint64 `json:"nanoseconds"`
}

// Traffic asks what moves.
func (c *Client) Traffic(ctx context.Context) (Traffic, error) {
	return ask[Traffic](ctx, c, "GET", "/v1/traffic")
}

// Losses asks what the machine lost outside the relay.
func (c *Client) Losses(ctx context.Context) ([]machine.Loss, error) {
	return ask[[]machine.Loss](ctx, c, "GET", "/v1/losses")
}
