package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/dataplane/capture"
	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/dataplane/turn"
	"turnpike.dev/turnpike/dataplane/xdp"
)

// captures is the node's end of `turnpike dataplane capture`: one at a time.
type captures struct {
	mu   sync.Mutex
	last uint64
	end  context.CancelFunc // nil: none runs
}

// begin takes the place of the one capture.
func (c *captures) begin(end context.CancelFunc) (id uint64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end != nil {
		return 0, false
	}
	c.last++
	c.end = end
	return c.last, true
}

// running reports whether one runs.
func (c *captures) running() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.end != nil
}

func (c *captures) done() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end = nil
}

// EndCapture ends the capture with an id, or whichever runs for 0.
func (n *node) EndCapture(id uint64) {
	n.captures.mu.Lock()
	defer n.captures.mu.Unlock()
	if n.captures.end != nil && (id == 0 || id == n.captures.last) {
		n.captures.end()
	}
}

// Capture captures relays until ctx or the capture ends.
func (n *node) Capture(ctx context.Context, r api.CaptureRequest, begin func(api.CaptureStart) io.Writer) (capture.Summary, error) {
	if n.kernel == nil {
		return capture.Summary{}, fmt.Errorf("there is no fast path to capture from: %s", n.whyNot)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	id, ok := n.captures.begin(cancel)
	if !ok {
		return capture.Summary{}, api.ErrBusy
	}
	defer n.captures.done()
	start, err := n.startOf(r)
	if err != nil {
		return capture.Summary{}, err
	}
	start.ID = id
	c, err := capture.Open(capture.Config{
		Options: start.With, Selector: r.Selector, Source: captureSource{n}, About: about(start),
		FastPath: n.kernel, Interfaces: n.capturedInterfaces(),
	})
	if err != nil {
		return capture.Summary{}, err
	}
	n.log.Event("Capture Start", "Detail", chosenBy(r.Selector), "Capture", id, "Relays", start.Chosen, "Snap", start.With.Snap)
	s, err := c.Run(ctx, begin(start))
	if err = errors.Join(err, c.Close()); err != nil {
		n.log.Warn("Capture Failed", "Detail", err, "Capture", id) // most often: who asked is gone
		return s, err
	}
	n.log.Event("Capture End", "Detail", s.String(), "Capture", id)
	return s, nil
}

// chosenBy says what was asked for, in as much as fits into a record.
func chosenBy(s capture.Selector) string {
	const enough = 300
	text := fmt.Sprintf("relays %v, users %q, addresses %v", s.Relays, s.Users, s.Addresses)
	return text[:min(len(text), enough)]
}

// startOf says what a capture begins with.
func (n *node) startOf(r api.CaptureRequest) (api.CaptureStart, error) {
	with, err := r.WithDefaults()
	if err != nil {
		return api.CaptureStart{}, err
	}
	if err := r.Check(); err != nil {
		return api.CaptureStart{}, err
	}
	start := api.CaptureStart{With: with, Relays: []api.CaptureRelay{}}
	for _, chosen := range r.Chosen(captureSource{n}.Relays()) {
		start.Chosen++
		if x, err := n.Relay(chosen.ID); err == nil && len(start.Relays) < api.MaxCaptureRelays {
			start.Relays = append(start.Relays, api.CaptureRelay{ID: x.ID, User: x.User, Note: blindSpot(x)})
		}
	}
	if start.Chosen == 0 && len(r.Users)+len(r.Addresses) == 0 {
		return start, api.ErrNotFound
	}
	return start, nil
}

// blindSpot says what of a relay a capture does not see.
func blindSpot(r api.Relay) string {
	var notes []string
	if r.Transport != string(turn.UDP) {
		notes = append(notes, fmt.Sprintf("its client comes over %s: only what peers send is seen", r.Transport))
	}
	if r.Path != "" && r.Path != string(relay.PathXDP) {
		notes = append(notes, fmt.Sprintf("path=%s (%s): of what the process relays only the side that comes in by XDP is seen", r.Path, r.Reason))
	}
	return strings.Join(notes, "; ")
}

// about is what stands at the beginning of the file.
func about(s api.CaptureStart) string {
	lines := []string{fmt.Sprintf("turnpike %s: snap=%d rate=%d relays=%d", version(), s.With.Snap, s.With.Rate, s.Chosen)}
	for _, r := range s.Relays {
		line := fmt.Sprintf("relay=%d user=%s", r.ID, printable(r.User))
		if r.Note != "" {
			line += ": " + r.Note
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// capturedInterfaces are the devices with the program, each once: VLANs share theirs.
func (n *node) capturedInterfaces() []capture.Interface {
	return devicesOf(n.kernel.Status().Interfaces)
}

func devicesOf(interfaces []xdp.Interface) (list []capture.Interface) {
	for _, i := range interfaces {
		known := slices.ContainsFunc(list, func(c capture.Interface) bool { return c.Index == i.Index })
		if i.Mode != xdp.ModeNone && !known {
			list = append(list, capture.Interface{Index: i.Index, Name: cmp.Or(i.Under, i.Name)})
		}
	}
	return list
}

// captureSource tells a capture which relays there are.
type captureSource struct{ node *node }

// Relays lists the relays by their addresses.
func (s captureSource) Relays() []capture.Relay {
	if s.node.turn == nil {
		return nil
	}
	all := s.node.turn.Allocations()
	out := make([]capture.Relay, 0, len(all))
	for _, a := range all {
		out = append(out, captureRelay(a))
	}
	return out
}

func captureRelay(a turn.Allocation) capture.Relay {
	r := capture.Relay{ID: a.ID, User: a.User}
	if a.Transport == turn.UDP {
		r.Client, r.Server = relay.Canonical(a.Client), relay.Canonical(a.Server)
	}
	for _, x := range a.Relays {
		r.Relayed = append(r.Relayed, x.Relay)
		r.Public = append(r.Public, x.Public)
		for _, p := range x.Permissions {
			r.Permissions = append(r.Permissions, p.Peer)
		}
		for _, c := range x.Channels {
			r.Channels = append(r.Channels, capture.Channel{Number: c.Number, Peer: c.Peer})
		}
	}
	return r
}

// parseAddress reads an address, with a port or for every port.
func parseAddress(s string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddrPort(s); err == nil {
		return relay.Canonical(a), nil
	}
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err != nil {
		return netip.AddrPort{}, usage(fmt.Errorf("%q is no address: want 192.0.2.7, 192.0.2.7:5004 or [2001:db8::7]:5004", s))
	}
	return relay.Canonical(netip.AddrPortFrom(a, 0)), nil
}
