package mesh

import (
	"net/netip"
	"time"

	"turnpike.dev/turnpike/cluster/wire"
)

// Doorbell is a doorbell for tests.
type Doorbell struct{ doorbell }

// NewDoorbell returns one that is shut.
func NewDoorbell(at netip.AddrPort) *Doorbell { return &Doorbell{doorbell{at: at}} }

// Open is open.
func (d *Doorbell) Open(token wire.Token) (shut func(), open bool) { return d.open(token) }

// Break has all reading fail from now on, and waits until nobody reads.
func (d *Doorbell) Break() {
	_ = d.conn.SetReadDeadline(time.Unix(1, 0))
	<-d.done
}
