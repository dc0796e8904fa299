package member

import (
	"context"
	"errors"
	"fmt"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/ledger"
	"turnpike.dev/turnpike/cluster/rows"
)

// looked is an event: somebody looks at the cores, or mends them, in their turn (OP-05).
type looked struct {
	look func(*Member) error
	done chan error
}

func (m *Member) inspect(ctx context.Context, look func(*Member) error) error {
	return m.await(ctx, func(done chan error) any { return looked{look, done} })
}

// Rows returns rows of a peer's table as this node has it, or of its own: at most so many with a prefix, and how many there are.
func (m *Member) Rows(ctx context.Context, of cluster.ID, prefix string, most int) (list []rows.Listed, all int, err error) {
	err = m.inspect(ctx, func(m *Member) error {
		list, all = m.rows.List(of, prefix, most)
		return nil
	})
	return list, all, err
}

// Copies returns how far the copy of each peer's table is.
func (m *Member) Copies(ctx context.Context) (list []rows.Copy, err error) {
	err = m.inspect(ctx, func(m *Member) error {
		list = m.rows.Copies()
		return nil
	})
	return list, err
}

// errNotThere refuses what needs the peer.
var errNotThere = errors.New("the peer is not there: its rows come anew by themselves when it is back")

// Resync has the copy of a peer's rows made anew. The one that is there counts until then.
func (m *Member) Resync(ctx context.Context, id cluster.ID) error {
	return m.inspect(ctx, func(m *Member) error {
		if _, ok := m.Peer(id); !ok {
			return errNotThere
		}
		m.row(rows.Remake{Peer: id})
		return nil
	})
}

// Forget frees all that a peer has of what the cluster shares out: the operator's word that it is gone, and its calls with it.
// Only the leader of the agreement can, and only for one that is not there: what it uses would be lent twice.
func (m *Member) Forget(ctx context.Context, id cluster.ID) error {
	return m.inspect(ctx, func(m *Member) error {
		if id == m.cfg.Self {
			return errors.New("this is the node that was asked: it uses what it has")
		}
		if s := m.liveness.State(id); alive(s) {
			return fmt.Errorf("%s is there, and uses what it has: it hands it back when it ends", m.nameOf(id))
		}
		if m.sharing == nil || m.sharing.wires.Core == nil {
			return errors.New("nothing is shared out: this node has not joined a cluster")
		}
		if !m.sharing.wires.Core.Leading(m.cfg.Boot()) {
			if leader := m.state.Agreed.Leader; leader != "" && leader != m.cfg.Self {
				return fmt.Errorf("%s leads the agreement: run this there", m.nameOf(leader))
			}
			return errors.New("no majority of the peers agrees now: bring peers back, or take the dead ones off the list")
		}
		m.ledger(ledger.Forget{Peer: id})
		return nil
	})
}

// Sound says whether Config.Kept could be read (OP-06); nil: yes.
func Sound(data []byte) error {
	_, err := restore(data, time.Time{})
	return err
}
