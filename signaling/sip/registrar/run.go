package registrar

import (
	"context"
	"net/netip"
	"time"
)

// tidyEvery is how often connections are looked for that nobody is registered over any
// more. They are given up when they are found a second time.
const tidyEvery = 30 * time.Second

// Run gives up connections that nobody needs, until ctx ends.
func (r *Registrar) Run(ctx context.Context) error {
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			r.tidy()
		}
	}
}

func (r *Registrar) tidy() {
	r.Flows.tidy(func(flow uint64) bool { return len(r.Table.From(nil, flow, netip.AddrPort{})) > 0 })
}
