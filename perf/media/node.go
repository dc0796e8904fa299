package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/dataplane/rtp"
	"turnpike.dev/turnpike/dataplane/userspace"
	"turnpike.dev/turnpike/dataplane/xdp"
)

// nodeCommand is the argument on which this program is the node: a process of its own in
// the node's namespace, whose CPU time is nobody else's.
const nodeCommand = "node"

// maxCalls leaves each call four ports, and its ends one for RTP.
const maxCalls = 6000

// endPort is where the ends' RTP ports begin, two for each call.
const endPort = 10000

// opened is what the node says when all calls are there.
type opened struct {
	SetUp time.Duration      `json:"set_up"` // of all calls
	A, B  []netip.AddrPort   // where the ends of each call send to
	Files int                `json:"files"`
	Paths map[relay.Path]int `json:"paths"` // flows by who relays them
}

// closed is what it says at the end.
type closed struct {
	Up, Down         uint64         // packets from the callers, and from the callees
	Lost             int64          `json:"lost"`
	Unequal          int            `json:"unequal"` // calls that carried not as much each way
	Paths            map[string]int `json:"paths"`   // streams by who carried the last packet
	CPU              time.Duration  `json:"cpu"`     // of the process while media went on
	Counts           rtp.Counts     `json:"counts"`
	Released         time.Duration  `json:"released"` // all calls
	Policed, Strange uint64         // packets
}

// serve carries calls between two ends until a line comes. Its arguments are how many, the
// node's addresses and the ends', and the address that callers say they are at.
func serve(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) (err error) {
	if len(args) != 6 {
		return fmt.Errorf("usage: %s CALLS NEAR FAR CALLER CALLEE SAID", nodeCommand)
	}
	calls, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	var addrs [5]netip.Addr
	for i := range addrs {
		if addrs[i], err = netip.ParseAddr(args[i+1]); err != nil {
			return err
		}
	}
	n, err := newNode(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.close()) }()
	if err := n.open(calls, addrs); err != nil {
		return err
	}
	began := cpuTime()
	if err := json.NewEncoder(stdout).Encode(n.opened); err != nil {
		return err
	}
	_, err = bufio.NewReader(stdin).ReadString('\n')
	spent := cpuTime() - began
	if err != nil {
		return fmt.Errorf("wait for the end of the media: %w", err)
	}
	return json.NewEncoder(stdout).Encode(n.release(spent))
}

// node is the data plane of a node, without anything that asks it.
type node struct {
	pins    string
	process *userspace.Relay
	kernel  *xdp.Backend
	engine  *relay.Engine
	media   *rtp.Media
	calls   []*rtp.Call
	opened  opened
	cancel  context.CancelFunc
	done    chan error
}

func newNode(ctx context.Context) (n *node, err error) {
	n = &node{done: make(chan error, 2)}
	state, err := os.MkdirTemp("", "media-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(state) //nolint:errcheck // only the pins' name comes from it
	if n.pins, err = xdp.PinDir("media", state); err != nil {
		return nil, err
	}
	if n.process, err = userspace.New(userspace.Config{}); err != nil {
		return nil, err
	}
	if n.kernel, err = xdp.Open(xdp.Config{PinDir: n.pins, Interfaces: []string{"s0", "s1"}}); err != nil {
		return nil, err
	}
	n.engine = relay.NewEngine(n.kernel, "", n.process)
	if n.media, err = rtp.New(rtp.Config{Table: n.engine, Gate: n.engine, Sockets: n.process, Timeout: time.Minute}); err != nil {
		return nil, err
	}
	ctx, n.cancel = context.WithCancel(ctx)
	for _, run := range []func(context.Context) error{n.engine.Run, n.media.Run} {
		go func() { n.done <- run(ctx) }()
	}
	return n, n.kernel.Activate()
}

// open sets all calls up as signalling would.
func (n *node) open(calls int, addrs [5]netip.Addr) error {
	near, far, caller, callee, said := addrs[0], addrs[1], addrs[2], addrs[3], addrs[4]
	start := time.Now()
	for i := range calls {
		c := n.media.Open(fmt.Sprintf("call:%d", i+1), rtp.Side{Local: near}, rtp.Side{Local: far})
		n.calls = append(n.calls, c)
		port := uint16(endPort + 2*i)
		a := rtp.Remote{RTP: netip.AddrPortFrom(said, port), Send: true, Receive: true, ClockHz: 8000}
		if said != caller {
			a.From = caller
		}
		b := rtp.Remote{RTP: netip.AddrPortFrom(callee, port), Send: true, Receive: true, ClockHz: 8000}
		toB, err := c.Local(0, rtp.LegB)
		if err != nil {
			return fmt.Errorf("call %d: %w", i+1, err)
		}
		toA, err := c.Local(0, rtp.LegA)
		if err := errors.Join(err, c.Set(0, rtp.LegA, a), c.Set(0, rtp.LegB, b)); err != nil {
			return fmt.Errorf("call %d: %w", i+1, err)
		}
		n.opened.A, n.opened.B = append(n.opened.A, toA.RTP), append(n.opened.B, toB.RTP)
	}
	n.opened.SetUp = time.Since(start)
	return n.wait()
}

// wait returns when the kernel relays every flow that it can: it asks for its neighbours
// first. Towards an address that nobody has it cannot.
func (n *node) wait() error {
	const patience, settled = 5 * time.Second, 300 * time.Millisecond
	<-time.After(settled)
	for end := time.Now().Add(patience); ; <-time.After(settled) {
		n.opened.Paths = map[relay.Path]int{}
		for _, p := range n.engine.List() {
			for _, f := range p.Stats {
				n.opened.Paths[f.Path]++
			}
		}
		if n.opened.Paths[relay.PathUserspace] == 0 || time.Now().After(end) {
			break
		}
	}
	files, err := os.ReadDir("/proc/self/fd")
	n.opened.Files = len(files)
	return err
}

// release ends all calls and adds up their figures.
func (n *node) release(spent time.Duration) closed {
	c := closed{Paths: map[string]int{}, CPU: spent, Counts: n.media.Counts()}
	start := time.Now()
	for _, call := range n.calls {
		for _, s := range call.Release() {
			c.Up += s.A.Packets
			c.Down += s.B.Packets
			c.Lost += s.A.Lost + s.B.Lost
			c.Paths[s.Path]++
			if d := int64(s.A.Packets) - int64(s.B.Packets); d < -1 || d > 1 {
				c.Unequal++ // the generator ends between two flows
			}
		}
	}
	c.Released = time.Since(start)
	return c
}

func (n *node) close() error {
	n.cancel()
	return errors.Join(<-n.done, <-n.done, n.process.Close(), n.kernel.Close(), xdp.Cleanup(n.pins))
}

// cpuTime is what this process has used so far.
func cpuTime() time.Duration {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u) // cannot fail
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
