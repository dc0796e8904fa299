package agreement_test

import (
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"

	"turnpike.dev/turnpike/cluster/agreement"
)

// CL-12: a peer that cannot be reached is waited for until it answers again, but only by who leads, and only while it is a member: nothing is left
// behind that waits for ever.
func TestWaitsForPeers(t *testing.T) {
	t.Parallel()
	for name, over := range map[string]func(r *rig, leader, lost *peer){
		"it answers again": func(_ *rig, _, lost *peer) { lost.sever(false) },
		"it is removed": func(r *rig, leader, lost *peer) {
			if err := leader.Remove(lost.cfg.Self); err != nil {
				r.t.Fatal(err)
			}
		},
		"nobody leads": func(r *rig, _, _ *peer) { r.peers["b"].sever(true) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, "a", "b", "c")
			leader, lost := r.waits()
			over(r, leader, lost)
			r.until("nobody waits", func() bool { return leader.Lulls() == 0 })
			if !lost.cut.Load() {
				r.until("it has what was agreed", func() bool { return amount(lost, "x") == 3 })
			}
		})
	}
	t.Run("the end", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, "a", "b", "c")
		r.waits() // and is closed so
	})
}

// waits has a leader wait for one of its two peers, while it goes on with the other.
func (r *rig) waits() (leader, lost *peer) {
	r.t.Helper()
	r.form(first, "a", "b", "c")
	leader, lost = r.peers["a"], r.peers["c"]
	lost.sever(true)
	r.until("it is waited for", func() bool { return leader.Lulls() == 1 })
	if err := leader.Propose(total("x", 3)); err != nil {
		r.t.Fatal(err)
	}
	r.until("the other goes on", func() bool { return amount(r.peers["b"], "x") == 3 })
	return leader, lost
}

// CL-12: who is met again is told what it was not told at once, without a heartbeat, and the library hears of no failure; also when it
// was met while that failed.
func TestTellsWhoIsMet(t *testing.T) {
	for name, meet := range map[string]func(t *testing.T, a agreement.Teller, l *layer){
		"while it is waited for": func(t *testing.T, a agreement.Teller, l *layer) {
			l.dialled <- errCut
			synctest.Wait()
			if a.Lulls() != 1 {
				t.Error("nobody waits")
			}
			a.Met("b")
		},
		"while it fails": func(_ *testing.T, a agreement.Teller, l *layer) {
			a.Met("b")
			l.dialled <- errCut
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLayer()
				a := agreement.NewTeller(l)
				told := make(chan error, 1)
				go func() { told <- a.Tell("b") }()
				synctest.Wait()
				meet(t, a, l)
				synctest.Wait()
				select {
				case l.dialled <- nil:
					if err := <-told; err != nil {
						t.Errorf("the library hears of it: %v", err)
					}
				default:
					t.Error("it is not tried again")
				}
				if err := a.End(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

var errCut = errors.New("cut off")

// layer opens streams to one peer, that agrees with everything, when the test lets it, or not.
type layer struct {
	dialled  chan error
	accepted chan net.Conn
	end      chan struct{}
}

func newLayer() *layer {
	return &layer{make(chan error), make(chan net.Conn, 1), make(chan struct{})}
}

func (l *layer) Dial(raft.ServerAddress, time.Duration) (net.Conn, error) {
	if err := <-l.dialled; err != nil {
		return nil, err
	}
	mine, theirs := net.Pipe()
	of := newLayer()
	of.accepted <- theirs
	peer := raft.NewNetworkTransport(of, 1, time.Minute, io.Discard)
	go func() {
		rpc := <-peer.Consumer()
		rpc.Respond(&raft.AppendEntriesResponse{Success: true}, nil)
		<-l.end
		_ = peer.Close()
	}()
	return mine, nil
}

func (l *layer) Accept() (net.Conn, error) {
	select {
	case c := <-l.accepted:
		return c, nil
	case <-l.end:
		return nil, net.ErrClosed
	}
}

func (l *layer) Close() error {
	close(l.end)
	return nil
}

func (l *layer) Addr() net.Addr { return &net.TCPAddr{} }
