package userspace

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"
)

// Turning returns when every loop has come round since it was called, or says which had
// not when ctx ended. A loop that hangs in a handler takes no datagram of any client.
func (r *Relay) Turning(ctx context.Context) error {
	for i, l := range r.loops {
		if err := l.ask(ctx); err != nil {
			return fmt.Errorf("relay loop %d of %d does not turn: %w", i+1, len(r.loops), err)
		}
	}
	return nil
}

// ask has the loop take a turn and waits for it.
func (l *loop) ask(ctx context.Context) error {
	select {
	case <-l.turning: // an answer that came too late for an earlier question
	default:
	}
	if err := l.wake(); err != nil {
		return err
	}
	select {
	case <-l.turning:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// answer is for whoever asks. A loop that is to end ends after this turn.
func (l *loop) answer() {
	var count [8]byte
	_, _ = unix.Read(l.wakefd, count[:]) // it is there: the event said so
	select {
	case l.turning <- struct{}{}:
	default:
	}
}

func (l *loop) wake() error {
	one := [8]byte{1}
	_, err := unix.Write(l.wakefd, one[:])
	return err
}
