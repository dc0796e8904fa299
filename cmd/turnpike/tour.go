package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"
)

// tourStep is one command of a tour through the operator's side of a node.
type tourStep struct {
	Why     string   `json:"why"`
	Command []string `json:"command"` // without the program's name
	Output  string   `json:"output"`
	Exit    int      `json:"exit"`
	OK      bool     `json:"ok"`

	want  int    // exit code
	shows string // part of the output
	again bool   // the node begins anew
}

// tourOf lists the steps. They build on one another: what a step sets a later one shows.
func tourOf(state string) []tourStep {
	backup := filepath.Join(state, "tour.backup")
	office := []string{"locate", "bob@office.example.org", "--source-zone", "office"}
	return []tourStep{
		{Why: "a zone and a rule, in the words of this system's kind", Command: words("xcommand ZoneAdd ZoneName: office Type: Neighbor Protocol: SIP"), shows: "Zones Zone 1"},
		{Command: words("xconfiguration Zones Zone 1 Neighbor Peer 1 Address: 198.18.1.2:5070")},
		{Why: "and in the words of this program", Command: words("config add search_rules office priority=50 pattern.type=suffix pattern.string=@office.example.org target=office")},
		{Command: words("xconfiguration Zones Policy SearchRules Rule 1 Target Name"), shows: `"office"`},
		{Why: "where would a call go, and why?", Command: office, shows: "office"},
		{Why: "and one that no rule knows?", Command: words("locate carol@elsewhere.example.com --source-zone office"), want: exitFailed},
		{Why: "an alarm is raised ...", Command: words("maintenance on")},
		{Command: words("alarm list"), want: exitDegraded, shows: "15015"},
		{Command: words("xstatus Alarm"), shows: "15015"},
		{Why: "... and lowered: only the notice is left that nobody has bought licences", Command: words("maintenance off")},
		{Command: words("alarm list"), shows: "39001"},
		{Why: "who changed what?", Command: words("config history"), shows: "root"},
		{Why: "everything in one encrypted file", Command: []string{"backup", backup}, shows: "bytes"},
		{Why: "everything gone", Command: words("factory-reset --confirm dev"), again: true},
		{Command: office, want: exitFailed},
		{Why: "and back", Command: []string{"restore", backup}, shows: "restored"},
		{Command: office, shows: "office"},
		{Why: "what a cluster would ask for", Command: words("cluster check"), want: exitDegraded, shows: "->"},
	}
}

func words(command string) []string { return strings.Fields(command) }

// tour plays the steps on the stage's node.
func (s *stage) tour(ctx context.Context) ([]tourStep, error) {
	steps := tourOf(s.state)
	for i := range steps {
		step := &steps[i]
		before, err := s.api.Status(ctx)
		if err != nil {
			return steps[:i], err
		}
		if err := s.take(ctx, step); err != nil {
			return steps[:i], err
		}
		if step.again {
			if err := s.awaitAnother(ctx, before.Started); err != nil {
				return steps[:i+1], err
			}
		}
	}
	return steps, nil
}

// take plays one step.
func (s *stage) take(ctx context.Context, step *tourStep) error {
	cmd := exec.CommandContext(ctx, s.self, append([]string{"--state", s.state}, step.Command...)...)
	cmd.Env = append(os.Environ(), passwordVariable+"=a demo only")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return fmt.Errorf("turnpike %s: %w", strings.Join(step.Command, " "), err)
	}
	step.Output, step.Exit = string(out), cmd.ProcessState.ExitCode()
	step.OK = step.Exit == step.want && strings.Contains(step.Output, step.shows)
	return nil
}

// awaitAnother waits for a start after that one.
func (s *stage) awaitAnother(ctx context.Context, started time.Time) error {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("a minute is over"))
	defer cancel()
	for {
		st, err := s.api.WaitReady(ctx)
		if err != nil {
			return err
		}
		if st.Started.After(started) {
			return nil
		}
	}
}

// writeTour shows the steps as somebody would see them in a terminal.
func writeTour(w *tabwriter.Writer, steps []tourStep) {
	for _, step := range steps {
		if step.Why != "" {
			_, _ = fmt.Fprintf(w, "\n# %s\n", step.Why)
		}
		_, _ = fmt.Fprintf(w, "$ turnpike %s\n%s", strings.Join(step.Command, " "), step.Output)
		if !step.OK {
			_, _ = fmt.Fprintf(w, "(exit code %d, not what was expected)\n", step.Exit)
		}
	}
}
