// Command media measures the media of many calls at once without their signalling: it
// installs them through dataplane/rtp on a node's relay, has a generator in the kernel
// send 50 packets a second each way, and says what was lost and what it took.
//
//	go run ./perf/media -calls 950 -time 30s
//
// It leaves out SIP (what a call costs with it, beside Kamailio and rtpengine, is
// perf/sipbench's to say), RTCP, and network cards: the links are veths, and generator,
// relay and counters share a core. With -learned the callees' packets that come before a
// caller's first was learned go where the caller said it is, and count as lost.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/perf/lab"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "media:", err)
		os.Exit(1)
	}
}

// options are the command line.
type options struct {
	calls   int
	time    time.Duration
	cpu     int
	payload int
	learned bool
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) error {
	if len(args) > 1 && args[1] == nodeCommand {
		return serve(ctx, args[2:], stdin, stdout)
	}
	var o options
	f := flag.NewFlagSet(args[0], flag.ContinueOnError)
	f.IntVar(&o.calls, "calls", 950, "how many audio `calls` at once")
	f.DurationVar(&o.time, "time", 30*time.Second, "how `long` they talk")
	f.IntVar(&o.cpu, "cpu", 0, "`CPU` of the generator, and with it of XDP")
	f.IntVar(&o.payload, "payload", 172, "`bytes` of an RTP packet, header included")
	f.BoolVar(&o.learned, "learned", false, "callers are behind a NAT: each is learned by its first packet")
	if err := f.Parse(args[1:]); err != nil {
		return err
	}
	if o.calls < 1 || o.calls > maxCalls {
		return fmt.Errorf("%d calls: choose 1 to %d", o.calls, maxCalls)
	}
	defer lab.ComeFirst()()
	l, err := lab.New(lab.Options{Name: "media", Queues: 2})
	if err != nil {
		return err
	}
	r, err := measure(ctx, l, o)
	if err := errors.Join(err, l.Close()); err != nil {
		return err
	}
	return r.write(stdout)
}
