package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/dataplane/capture"
)

// captureFlags are what `turnpike dataplane capture` is told.
type captureFlags struct {
	relays, users, addresses []string
	file                     string
	options                  capture.Options
	stop                     bool
}

func dataplaneCapture(a *app) *cobra.Command {
	var f captureFlags
	cmd := &cobra.Command{
		Use:   "capture -w FILE (--relay ID | --user NAME | --address ADDRESS)...",
		Short: "Record relays on both sides of the rewrite, from the fast path, as pcapng",
		Long: `Record chosen relays in a pcapng file that Wireshark opens: each packet as it came
and as it was sent on, with relay, user, direction, verdict and reason in its comment.
Packets are taken from the XDP program itself; while nobody captures, that costs it
nothing. By default only headers are kept: what is said in a call is private.

A capture ends after --duration, --packets or --bytes, with Ctrl-C, or with this
program. What was not recorded (over --rate, or too much to read in time) is counted
in the file and at the end. Without --relay the choice may fit relays that come later.
docs/capture.md explains the comments.`,
		Example: `  turnpike dataplane capture --relay 17 -w call.pcapng
  turnpike dataplane capture --user alice --user bob --duration 5m -w users.pcapng
  turnpike dataplane capture --address 192.0.2.7:5004 --snaplen 1514 -w peer.pcapng
  turnpike dataplane capture --relay 17 -w - | tshark -r - -T fields -e frame.comment
  turnpike dataplane capture --stop`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.stop {
				return a.stopCapture(cmd.Context())
			}
			return a.capture(cmd.Context(), f, cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringSliceVar(&f.relays, "relay", nil, "relay id; several times for several")
	cmd.Flags().StringSliceVar(&f.users, "user", nil, "user name: all relays of that user")
	cmd.Flags().StringSliceVar(&f.addresses, "address", nil, "address of a client, relay or peer, with or without a port")
	cmd.Flags().StringVarP(&f.file, "write", "w", "", "file to write; -: standard output")
	cmd.Flags().IntVar(&f.options.Snap, "snaplen", capture.DefaultSnap, "bytes to keep of each frame")
	cmd.Flags().IntVar(&f.options.Rate, "rate", capture.DefaultRate, "packets per second to record at most")
	cmd.Flags().DurationVar(&f.options.Duration, "duration", capture.DefaultDuration, "end after this time")
	cmd.Flags().Uint64Var(&f.options.Packets, "packets", capture.DefaultPackets, "end after so many packets")
	cmd.Flags().Uint64Var(&f.options.Bytes, "bytes", capture.DefaultBytes, "end when the file is so long")
	cmd.Flags().BoolVar(&f.stop, "stop", false, "end the capture that runs, whoever started it")
	return cmd
}

func (a *app) stopCapture(ctx context.Context) error {
	if err := a.client().EndCapture(ctx, 0); err != nil {
		return err
	}
	return a.done("no capture runs")
}

// request turns the flags into what the node is asked for.
func (f captureFlags) request() (r api.CaptureRequest, err error) {
	r.Users, r.Options = f.users, f.options
	for _, s := range f.relays {
		id, err := parseID(s)
		if err != nil {
			return r, err
		}
		r.Relays = append(r.Relays, id)
	}
	for _, s := range f.addresses {
		at, err := parseAddress(s)
		if err != nil {
			return r, err
		}
		r.Addresses = append(r.Addresses, at)
	}
	if f.file == "" {
		return r, usage(errors.New("where to? write -w FILE, or -w - for standard output"))
	}
	if err := r.Check(); err != nil {
		return r, usage(err)
	}
	if r.Options, err = r.WithDefaults(); err != nil {
		return r, usage(err)
	}
	return r, nil
}

// capture asks the node to capture and copies what it sends.
func (a *app) capture(ctx context.Context, f captureFlags, talk io.Writer) (err error) {
	r, err := f.request()
	if err != nil {
		return err
	}
	var file *os.File // opened when there is something to write
	s, err := a.client().Capture(ctx, r, func(start api.CaptureStart) (_ io.Writer, err error) {
		tellStart(talk, start)
		if f.file == "-" {
			return a.stdout, nil
		}
		file, err = os.OpenFile(f.file, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600) // media is private
		return file, err
	})
	if file != nil {
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		return err
	}
	tellDrops(talk, s)
	if f.file == "-" {
		_, _ = fmt.Fprintf(talk, "capture: %s\n", s)
		return nil
	}
	return a.show(s, func(w *tabwriter.Writer) { writeSummary(w, f.file, s) })
}

// tellStart says what is captured and what cannot be.
func tellStart(talk io.Writer, s api.CaptureStart) {
	tell := func(format string, args ...any) { _, _ = fmt.Fprintf(talk, "capture: "+format+"\n", args...) }
	tell("%d relays, %d bytes of each frame, at most %d packets/s, for %s; Ctrl-C ends it", s.Chosen, s.With.Snap, s.With.Rate, s.With.Duration)
	for _, r := range s.Relays {
		note := r.Note
		if note != "" {
			note = ": " + note
		}
		tell("relay %d of %s%s", r.ID, printable(r.User), note)
	}
	if more := s.Chosen - len(s.Relays); more > 0 {
		tell("and %d more relays", more)
	}
	if s.Chosen == 0 {
		tell("no relay fits yet: waiting for one")
	}
}

// tellDrops says what is not in the file and what to do about it.
func tellDrops(talk io.Writer, s capture.Summary) {
	if s.RateCapped > 0 {
		_, _ = fmt.Fprintf(talk, "capture: %d packets were over the rate and are not in the file: raise --rate\n", s.RateCapped)
	}
	if s.RingFull > 0 {
		_, _ = fmt.Fprintf(talk, "capture: %d packets could not be read in time and are not in the file: choose fewer relays or a shorter --snaplen\n", s.RingFull)
	}
}

func writeSummary(w *tabwriter.Writer, file string, s capture.Summary) {
	l := lines{w}
	l.line("file", "%s, %d bytes", file, s.Bytes)
	l.line("packets", "%d, in %d frames", s.Packets, s.Frames)
	l.line("not recorded", "%s", strings.Join([]string{
		fmt.Sprintf("%d over the rate", s.RateCapped), fmt.Sprintf("%d not read in time", s.RingFull), fmt.Sprintf("%d after the end", s.Unwritten),
	}, ", "))
	l.line("ended by", "%s after %s", s.Ended, s.Elapsed.Round(time.Millisecond))
}
