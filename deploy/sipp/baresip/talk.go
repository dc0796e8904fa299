package baresip

import (
	"context"
	"fmt"
	"time"
)

// Media counts the RTP of a phone's namespace.
type Media interface {
	Totals(ctx context.Context) (sent, received uint64, err error)
}

// Call has one phone call another at an address, which takes the call, and returns when
// both say that it stands.
func Call(ctx context.Context, from, to *Phone, address string) error {
	if err := from.Command("dial", address); err != nil {
		return err
	}
	if _, err := to.Await(ctx, Incoming); err != nil {
		return err
	}
	if err := to.Command("accept", ""); err != nil {
		return err
	}
	if _, err := to.Await(ctx, Established); err != nil {
		return err
	}
	_, err := from.Await(ctx, Established)
	return err
}

// HangUp ends the call of one phone, and returns when the other knows.
func HangUp(ctx context.Context, from, to *Phone) error {
	if err := from.Command("hangup", ""); err != nil {
		return err
	}
	_, err := to.Await(ctx, Closed)
	return err
}

// Talk returns when so many packets have gone each way since the counting began.
func Talk(ctx context.Context, m Media, packets uint64) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		sent, received, err := m.Totals(ctx)
		if err != nil {
			return err
		}
		if sent >= packets && received >= packets {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%d packets sent and %d received, want %d each: %w", sent, received, packets, context.Cause(ctx))
		}
	}
}
