package peers

import (
	"context"

	"turnpike.dev/turnpike/control/registrations"
)

// end is the end of the process that has a table: what it has is kept.
func end(t *registrations.Table) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = t.Run(ctx)
}
