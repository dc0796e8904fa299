package clustertest

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/perf/lab/clusterlab"
)

// crowd is a cluster with phones and two sites.
type crowd struct {
	*rig
	phones *clusterlab.Phones
	sites  *clusterlab.Sites
}

func newCrowd(t *testing.T, nodes int) *crowd {
	t.Helper()
	c := &crowd{rig: newRig(t, nodes, 3)}
	c.phones = c.newPhones()
	var err error
	c.sites, err = clusterlab.NewSites(c.Star.Hosts[nodes+1], c.Star.Hosts[nodes+2])
	must(t, err)
	t.Cleanup(func() { _ = c.sites.Close() })
	return c
}

// takes is what node files say so that nodes take phones, and calls between the sites over a pipe.
func (c *crowd) takes(pipe string) string {
	return more + "sip: {mode: on, udp: 5060, tcp: 5060, tls: 5061, registration_time: 7200}\ndomains: [" + clusterlab.Domain + "]\ndefault_subzone: {authentication: treat_as_authenticated}\n" +
		c.sites.Between(pipe)
}

func (c *crowd) part(name string, run func(t *testing.T, c *crowd)) {
	c.t.Helper()
	c.rig.part(name, func(t *testing.T, r *rig) { run(t, &crowd{r, c.phones, c.sites}) })
}

func (c *crowd) at(i int) netip.Addr { return c.Star.Addr(i) }

// licences is what a node says of one kind.
func (c *crowd) licences(i int, name string) (api.LicenceUse, error) {
	l, err := c.Nodes[i].API.Licences(c.t.Context())
	for _, u := range l.Use {
		if u.Name == name {
			return u, err
		}
	}
	return api.LicenceUse{}, err
}

// pooled waits until nodes say that there are so many of a kind, of which so many are in use.
func (c *crowd) pooled(d time.Duration, name string, total, used float64, nodes ...int) {
	c.t.Helper()
	for _, i := range nodes {
		c.within(d, fmt.Sprintf("tp%d knows of %v %s of which %v are in use", i+1, total, name, used), func() error {
			u, err := c.licences(i, name)
			if err == nil && (u.Cluster.Total != total || u.Cluster.Used != used) {
				err = fmt.Errorf("%+v", u)
			}
			return err
		})
	}
}

// register has as many phones register at a node, or leave it. Who is refused comes again, as phones do: of many
// at once some may have to, while a peer's share grows.
func (c *crowd) register(i, number int, expires time.Duration) {
	c.t.Helper()
	must(c.t, c.phones.RegisterMany(c.t.Context(), 0, number, func(int) netip.Addr { return c.at(i) }, expires))
}

// calls sets up calls through a node, some at a time, and returns those that stand.
func (c *crowd) calls(i, number int, w clusterlab.Wanted) []*clusterlab.Call {
	c.t.Helper()
	out := make([]*clusterlab.Call, number)
	var again atomic.Int64
	c.all(number, func(k int) (err error) {
		for range 20 { // callers come again, too
			if out[k], err = c.sites.Call(c.t.Context(), c.at(i), w); !errors.Is(err, clusterlab.ErrRefused) {
				return err
			}
			again.Add(1)
			pause(c.t, 500*time.Millisecond)
		}
		return err
	})
	if n := again.Load(); n > 0 {
		c.t.Logf("%d of %d calls through tp%d at once were refused and made again", n, number, i+1)
	}
	return out
}

// end ends calls.
func (c *crowd) end(calls []*clusterlab.Call) {
	c.t.Helper()
	c.all(len(calls), func(i int) error { return calls[i].End(c.t.Context()) })
}

// all does something so many times, some at a time. Each must succeed.
func (c *crowd) all(number int, do func(i int) error) {
	c.t.Helper()
	var mu sync.Mutex
	var failed []error
	together(number, func(i int) {
		if err := do(i); err != nil {
			mu.Lock()
			failed = append(failed, err)
			mu.Unlock()
		}
	})
	if len(failed) > 0 {
		c.t.Errorf("%d of %d failed, such as %v", len(failed), number, failed[0])
	}
}

// together does something so many times, 32 at a time.
func together(number int, do func(i int)) {
	slots := make(chan struct{}, 32)
	var all sync.WaitGroup
	for i := range number {
		slots <- struct{}{}
		all.Go(func() {
			do(i)
			<-slots
		})
	}
	all.Wait()
}
