package mesh_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"turnpike.dev/turnpike/cluster/liveness"
	"turnpike.dev/turnpike/cluster/mesh"
	"turnpike.dev/turnpike/cluster/revisions"
	"turnpike.dev/turnpike/cluster/rows"
	"turnpike.dev/turnpike/cluster/wire"
)

// Each sends on the connections that it dialled and reads on those that it accepted. // CL-05
func TestPeersTalk(t *testing.T) {
	n := newNetwork(t)
	a, b := n.pair(nil)
	p := a.awaitConnected(b.addr.String())
	if p.ID != "node-2" || p.Hello.Name != "node2" {
		t.Errorf("connected with %+v", p)
	}
	document := revisions.Push{Document: revisions.Document{Tag: revisions.Tag{Revision: 7}, Bytes: string(bytes.Repeat([]byte{0xff, 0}, 1<<20))}}
	for _, m := range []any{liveness.Beat{Seq: 5}, rows.Head{N: 3}, rows.Part{Of: 1}, document} {
		a.until("a message is taken", func() bool { return a.SendEntry(b.addr.String(), m) })
		got := b.await("the message", func(e event) bool { return e.what == "received" }).message
		if push, ok := got.(revisions.Push); ok && push.Bytes != document.Bytes {
			t.Error("the document is another")
		} else if _, ok := m.(rows.Head); ok && got.(rows.Head).N != 3 {
			t.Errorf("received %+v", got)
		}
	}
	b.until("by its id", func() bool { return b.Send("node-1", liveness.Beat{Seq: 9}) })
	a.await("the message", func(e event) bool { return e.what == "received" && e.message.(liveness.Beat).Seq == 9 })
	if a.SendEntry("127.9.9.9", liveness.Beat{}) || a.Send("node-9", liveness.Beat{}) {
		t.Error("sent to nobody")
	}
}

func TestHelloIsSaidAgain(t *testing.T) {
	n := newNetwork(t)
	a, b := n.pair(nil)
	b.awaitConnected(a.addr.String())
	h := *a.hello.Load()
	h.Maintenance, h.Extra = true, map[string]string{"reset": "yes"}
	a.hello.Store(&h)
	a.until("a connection to say it on", func() bool { return a.SendEntry(b.addr.String(), liveness.Beat{}) })
	a.Say()
	b.await("the new hello", func(e event) bool { return e.what == "connected" && e.peer.Hello.Extra["reset"] == "yes" })
	if p, ok := b.Peer("node-1"); !ok || !p.Hello.Maintenance {
		t.Errorf("peer %+v, %v", p, ok)
	}
}

func TestRequests(t *testing.T) {
	n := newNetwork(t)
	a, b := n.pair(nil)
	b.answer = func(_ context.Context, p mesh.Peer, name string, body []byte) ([]byte, error) {
		if name == "fail" {
			return nil, errors.New("it cannot be done")
		}
		return append([]byte(string(p.ID)+" "+name+" "), body...), nil
	}
	a.awaitConnected(b.addr.String())
	got, err := a.Request(t.Context(), "node-2", "join", []byte("body"))
	if err != nil || string(got) != "node-1 join body" {
		t.Errorf("answer %q, %v", got, err)
	}
	_, err = a.Request(t.Context(), "node-2", "fail", nil)
	if e, ok := errors.AsType[*mesh.RequestError](err); !ok || e.Why != "it cannot be done" {
		t.Errorf("error %v", err)
	}
	if _, err := a.Request(t.Context(), "node-7", "join", nil); !errors.Is(err, mesh.ErrNotConnected) {
		t.Errorf("error %v", err)
	}
}

func TestRequestThatNobodyWaitsForEnds(t *testing.T) {
	n := newNetwork(t)
	a, b := n.pair(nil)
	ended := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	b.answer = func(ctx context.Context, _ mesh.Peer, _ string, _ []byte) ([]byte, error) {
		cancel()
		<-ctx.Done()
		close(ended)
		return nil, ctx.Err()
	}
	a.awaitConnected(b.addr.String())
	if _, err := a.Request(ctx, "node-2", "wait", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	select {
	case <-ended:
	case <-time.After(patience):
		t.Error("the peer goes on with it")
	}
}

func TestRaftStream(t *testing.T) {
	n := newNetwork(t)
	a, b := n.pair(nil)
	a.awaitConnected(b.addr.String())
	c, err := a.Raft(t.Context(), "node-2")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	there := b.await("the stream", func(e event) bool { return e.what == "raft" }).conn
	defer there.Close()
	if _, err := c.Write([]byte("append")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 6)
	if _, err := io.ReadFull(there, got); err != nil || string(got) != "append" {
		t.Errorf("read %q, %v", got, err)
	}
}

// Who is taken from the list is not spoken to any more, and may come back with another key.
func TestListChanges(t *testing.T) {
	n := newNetwork(t)
	a, b := n.prepare(1, nil), n.prepare(2, nil)
	address := b.addr.String()
	list := []string{a.addr.String(), address}
	a.List(list, 0, nil)
	b.List(list, 1, nil)
	a.run()
	stop := b.run()
	a.awaitConnected(address)
	a.List(list[:1], 0, nil)
	a.await("the end", func(e event) bool { return e.what == "closed" && e.peer.Address == address })
	a.awaitFailed(address, mesh.ErrUnlisted) // it keeps knocking
	if len(a.Peers()) != 0 {
		t.Errorf("still there: %v", a.Peers())
	}
	stop()
	b.cert.Store(selfSigned(t, "another"))
	b.make()
	b.List(list, 1, nil)
	b.run()
	a.List(list, 0, nil)
	a.awaitConnected(address)
}

func TestSourcePorts(t *testing.T) {
	n := newNetwork(t)
	a, b := n.pair(func(c *mesh.Config) { c.SourcePorts = [2]uint16{31000, 31007} })
	p := b.await("a connection that was accepted", func(e event) bool {
		return e.what == "connected" && e.peer.Addr.Port() != 14372
	}).peer
	if p.Addr.Port() < 31000 || p.Addr.Port() > 31007 || p.Addr.Addr() != a.addr { // CL-08
		t.Errorf("dialled from %s", p.Addr)
	}
}

func TestNameThatNobodyKnows(t *testing.T) {
	n := newNetwork(t)
	a := n.prepare(1, nil)
	a.List([]string{a.addr.String(), "lost.example.test"}, 0, nil)
	a.run()
	a.awaitFailed("lost.example.test", mesh.ErrResolve)
}

// The mapping answers before DNS, which has never heard of the name. // CL-07
func TestMapping(t *testing.T) {
	n := newNetwork(t)
	a, b := n.prepare(1, nil), n.prepare(2, nil)
	list := []string{"a.example.test", "b.example.test"}
	mapping := map[string]netip.Addr{"A.example.test": a.addr, "b.example.test": b.addr}
	a.List(list, 0, mapping)
	b.List(list, 1, mapping)
	a.run()
	b.run()
	a.awaitConnected("b.example.test")
	b.awaitConnected("a.example.test")
	a.List(list, 0, map[string]netip.Addr{"b.example.test": n.addr(3)})
	a.awaitFailed("b.example.test", mesh.ErrUnreachable)
}

// What a node is, whether the ports are open both ways, and what certificate it has, is asked on the
// recovery port: by who runs, and by who does not run yet. // CL-19
func TestProbe(t *testing.T) {
	n := newNetwork(t)
	answer := func(c *mesh.Config) {
		c.Probe = func() wire.Probe { return wire.Probe{Digest: "d1", Facts: map[string]string{"ntp": "off\n"}} }
	}
	a, b := n.prepare(1, answer), n.prepare(2, answer)
	list := []string{a.addr.String(), b.addr.String()}
	a.List(list, 0, nil)
	b.List(list, 1, nil)
	stop := b.run()
	b.listens(a.addr)
	for _, state := range []string{"standalone", "running"} {
		if state == "running" {
			a.run()
			a.awaitConnected(b.addr.String())
		}
		p, err := a.Mesh.Probe(t.Context(), b.addr.String())
		if err != nil {
			t.Fatalf("%s: %v", state, err)
		}
		if p.Hello.Name != "node2" || p.Digest != "d1" || p.Facts["ntp"] != "off " || p.NAT != "" || p.Pinned != (state == "running") {
			t.Errorf("%s: %+v", state, p)
		}
		if len(p.There)+len(p.Here) != 0 || !strings.Contains(p.Fault, "the entry is an address") {
			t.Errorf("%s: there %v, here %v, %s", state, p.There, p.Here, p.Fault)
		}
	}
	stop()
	p, err := a.Mesh.Probe(t.Context(), b.addr.String())
	if !errors.Is(err, mesh.ErrUnreachable) || len(p.There) != 2 {
		t.Errorf("of one that does not run: %+v, %v", p, err)
	}
	if n := len(a.Refused()); n != 0 {
		t.Errorf("who tries the ports counts as refused: %v", a.Refused())
	}
}

// A node does not answer who is not in its list, on this port either. // CL-05
func TestProbeOfStranger(t *testing.T) {
	n := newNetwork(t)
	a, b := n.prepare(1, nil), n.prepare(2, nil)
	b.List([]string{b.addr.String()}, 0, nil)
	b.run()
	b.listens(b.addr)
	if _, err := a.Mesh.Probe(t.Context(), b.addr.String()); !errors.Is(err, mesh.ErrUnreachable) || !strings.Contains(err.Error(), "is this node's address in the list there?") {
		t.Errorf("error %v", err)
	}
	b.awaitFailed(a.addr.String(), mesh.ErrUnlisted)
}

// Who asks too much at once waits; who is asked too much refuses.
func TestManyRequests(t *testing.T) {
	n := newNetwork(t)
	a, b := n.pair(nil)
	var now, most atomic.Int32
	b.answer = func(context.Context, mesh.Peer, string, []byte) ([]byte, error) {
		most.Store(max(most.Load(), now.Add(1)))
		defer now.Add(-1)
		return nil, nil
	}
	a.awaitConnected(b.addr.String())
	var work sync.WaitGroup
	for range 40 {
		work.Go(func() {
			if _, err := a.Request(t.Context(), "node-2", "x", nil); err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
	if most.Load() > 8 {
		t.Errorf("%d at once", most.Load())
	}
}

// What goes over the network is counted for each peer and class.
func TestStats(t *testing.T) {
	n := newNetwork(t)
	a, b := n.pair(nil)
	a.awaitConnected(b.addr.String())
	a.until("a message is taken", func() bool { return a.SendEntry(b.addr.String(), rows.Part{Of: 1}) })
	b.await("the message", func(e event) bool { return e.what == "received" })
	for _, x := range []struct {
		node  *node
		class string
		of    func(mesh.Stat) uint64
	}{
		{a, "bulk", func(s mesh.Stat) uint64 { return s.MessagesSent }},
		{b, "bulk", func(s mesh.Stat) uint64 { return s.MessagesRead }},
		{a, "rows", func(s mesh.Stat) uint64 { return s.Sent }},
		{a, "rows", func(s mesh.Stat) uint64 { return s.Received }},
		{b, "rows", func(s mesh.Stat) uint64 { return uint64(s.Connections) }},
	} {
		i := slices.IndexFunc(x.node.Stats(), func(s mesh.Stat) bool { return s.Class == x.class })
		if s := x.node.Stats()[i]; x.of(s) == 0 {
			t.Errorf("nothing counted: %+v", s)
		}
	}
}
