package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"turnpike.dev/turnpike/control/calls"
)

func callTrace(a *app) *cobra.Command {
	var file string
	var messages, secrets bool
	cmd := &cobra.Command{
		Use:   "trace ID",
		Short: "Show what was said in a call, as a ladder or a capture file",
		Long: `Show the messages of a call that runs or ended lately as a ladder: who said what to
whom, and when. --messages adds their texts; --pcap writes them as a capture file that
Wireshark reads, one datagram each with headers that are made up (what came over TLS
is there decrypted). The first and the last 16 KiB of a call are kept, in memory only,
and none while calls.trace is off.

Passwords' digests and keys of SRTP are hidden. Root sees them with --with-secrets:
a capture with them opens the call's media to whoever has both.`,
		Example: `  turnpike call trace 17
  turnpike call trace 17 --messages
  turnpike call trace 17 --pcap call17.pcapng`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := a.client().Ladder(cmd.Context(), args[0], secrets)
			if err != nil {
				return err
			}
			if file != "" {
				return a.exportTrace(l, file)
			}
			return a.show(traceOf(l), func(w *tabwriter.Writer) { writeTrace(w, l, messages) })
		},
	}
	cmd.Flags().StringVar(&file, "pcap", "", "write a capture file, - for standard output")
	cmd.Flags().BoolVar(&messages, "messages", false, "show the messages too")
	cmd.Flags().BoolVar(&secrets, "with-secrets", false, "show digests and keys (root only)")
	return cmd
}

// exportTrace writes a capture file.
func (a *app) exportTrace(l calls.Ladder, file string) error {
	if len(l.Messages) == 0 {
		return errors.New("no messages of this call are kept: see calls.trace")
	}
	if file == "-" {
		return calls.WritePCAP(a.stdout, l, "turnpike "+version())
	}
	if err := writeTraceFile(file, func(w io.Writer) error { return calls.WritePCAP(w, l, "turnpike "+version()) }); err != nil {
		return err
	}
	return a.done(fmt.Sprintf("wrote %d messages to %s", len(l.Messages), file))
}

// writeTraceFile makes a file that only its owner reads.
func writeTraceFile(file string, write func(io.Writer) error) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write the capture file: %w", err)
	}
	return errors.Join(write(f), f.Close())
}

func writeTrace(w *tabwriter.Writer, l calls.Ladder, messages bool) {
	c := l.Call
	_, _ = fmt.Fprintf(w, "call %d, %s > %s, %s, %s\n\n", c.ID, orDash(c.From), orDash(c.To), c.Started.UTC().Format(time.DateTime), endOf(c))
	if len(l.Messages) == 0 {
		_, _ = fmt.Fprintln(w, "no messages of this call are kept: see calls.trace")
		return
	}
	_, _ = fmt.Fprint(w, calls.Picture(l, messages))
}

// said is a message of a trace in JSON, its data as text.
type said struct {
	At        time.Time `json:"at"`
	Local     string    `json:"local"`
	Remote    string    `json:"remote"`
	Transport string    `json:"transport"`
	Sent      bool      `json:"sent"`
	Summary   string    `json:"summary"`
	Text      string    `json:"text"`
	Cut       int       `json:"cut,omitempty"`
}

// trace is a ladder in JSON.
type callLadder struct {
	Call      calls.Call `json:"call"`
	Messages  []said     `json:"messages"`
	LeftOut   int        `json:"left_out,omitempty"`
	LeftOutAt int        `json:"left_out_at,omitempty"`
}

func traceOf(l calls.Ladder) callLadder {
	t := callLadder{Call: l.Call, Messages: []said{}, LeftOut: l.LeftOut, LeftOutAt: l.LeftOutAt}
	for _, m := range l.Messages {
		t.Messages = append(t.Messages, said{
			At: m.At, Local: m.Local.String(), Remote: m.Remote.String(), Transport: m.Transport, Sent: m.Sent,
			Summary: calls.Summary(m.Data), Text: string(m.Data), Cut: m.Cut,
		})
	}
	return t
}
