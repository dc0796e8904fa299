// Command turnpike is the one program of a node: the TURN server and media relay
// itself (serve) and the commands that ask and tell a running one.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if errors.Is(err, errRestart) {
		err = again()
	}
	if err != nil && err.Error() != "" {
		fmt.Fprintln(os.Stderr, "turnpike:", err)
	}
	os.Exit(exitCode(err))
}

// run executes one command line. What a command gives goes to stdout; an error
// says what to do next.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	root := newRoot(stdout)
	root.SetArgs(args)
	return root.ExecuteContext(ctx)
}

// Exit codes.
const (
	exitFailed   = 1
	exitUsage    = 2
	exitDegraded = 3
)

// exitError is an error that ends the program with a code of its own.
type exitError struct {
	code int
	err  error // nil: everything is said already
}

// Error returns the text of the error inside.
func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

// Unwrap returns the error inside.
func (e *exitError) Unwrap() error { return e.err }

func exitCode(err error) int {
	var e *exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &e):
		return e.code
	default:
		return exitFailed
	}
}
