// Clusterbench measures a cluster of real nodes at 80 ms from each other: how fast a change
// is everywhere, how fast a death is noticed, what registrations cost, and what it costs to
// share a pipe.
//
// It exists beside the tests because its figures are kept (perf/results/cluster.txt) and
// the tests hold bounds only.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "clusterbench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	changes := flag.Int("changes", 100, "changes of the configuration of six peers; 0 leaves them out")
	deaths := flag.Int("deaths", 3, "peers killed")
	phones := flag.Int("phones", 19_000, "registrations, over four peers; 1000 more follow, which is all that four nodes take; 0 leaves them out")
	calls := flag.Int("calls", 10_000, "calls over a pipe that four peers share; 0 leaves them out")
	rate := flag.Int("rate", 80, "of them a second")
	flag.Parse()
	dir, err := os.MkdirTemp("", "cb-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	program := filepath.Join(dir, "turnpike")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, "./cmd/turnpike")
	if text, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the program: %w: %s", err, text)
	}
	b := &bench{out: out, program: program, dir: dir}
	b.say("a cluster of real nodes, 80 ms from each other; %s", time.Now().UTC().Format(time.DateOnly))
	if *changes > 0 {
		if err := b.six(ctx, *changes, *deaths); err != nil {
			return err
		}
	}
	if *phones > 0 {
		if err := b.registrations(ctx, *phones); err != nil {
			return err
		}
	}
	if *calls > 0 {
		return b.sharing(ctx, *calls, *rate)
	}
	return nil
}

// bench is what the parts share.
type bench struct {
	out          io.Writer
	program, dir string
}

func (b *bench) say(format string, args ...any) { _, _ = fmt.Fprintf(b.out, format+"\n", args...) }
