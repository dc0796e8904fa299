// Command tune plays a tuning session on this machine: it makes a lab whose node has a few
// things wrong, and mends one after the other as `turnpike doctor` says, measuring in
// between. It exists so that the figures of docs/tuning.md can be had again, and so that
// what doctor promises is held against what it brings.
//
//	go run ./perf/tune -bin bin/turnpike
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"

	"golang.org/x/sys/unix"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "tune:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("tune", flag.ContinueOnError)
	binary := f.String("bin", "bin/turnpike", "Turnpike's `binary`")
	out := f.String("out", "", "`file` for what is printed; empty: only print")
	rounds := f.Int("rounds", 3, "measurements of which the median counts")
	if err := f.Parse(args); err != nil {
		return err
	}
	// One measurement at a time: the benchmark takes the same lock.
	alone, err := net.Listen("unix", "@turnpike-bench")
	if err != nil {
		return fmt.Errorf("a benchmark is running; wait for its end: %w", err)
	}
	defer func() { _ = alone.Close() }()
	var text strings.Builder
	if err := session(ctx, io.MultiWriter(os.Stdout, &text), *binary, *rounds); err != nil {
		return err
	}
	if *out == "" {
		return nil
	}
	return os.WriteFile(*out, []byte(text.String()), 0o644)
}
