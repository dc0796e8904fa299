package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"turnpike.dev/turnpike/control/alarms"
	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/eventlog"
	"turnpike.dev/turnpike/control/metrics"
)

// openAlarms opens the alarms of a node, with what stood when it ended.
func openAlarms(state *stateDir, log *eventlog.Log) (*alarms.Alarms, error) {
	return alarms.Open(alarms.Config{File: state.file(alarmsFile), Log: log, Now: time.Now})
}

// Alarms lists the alarms (api.Alarms).
func (n *node) Alarms() []alarms.Alarm { return n.board.List() }

// AcknowledgeAlarm takes note that somebody has seen an alarm (api.Alarms).
func (n *node) AcknowledgeAlarm(uuid, by string) error { return n.board.Acknowledge(uuid, by) }

// standing are the alarms that status shows: those that stand and no other explains.
func (n *node) standing() []alarms.Alarm {
	if n.board == nil {
		return nil
	}
	return slices.DeleteFunc(n.board.List(), func(a alarms.Alarm) bool { return !a.Stands() || a.Behind != 0 })
}

// alarmCounts are the alarms as metrics show them.
func (n *node) alarmCounts() []metrics.Alarms {
	if n.board == nil {
		return nil
	}
	var out []metrics.Alarms
	for _, c := range n.board.Counts() {
		out = append(out, metrics.Alarms{Severity: c.Severity.String(), State: string(c.State), Count: c.N})
	}
	return out
}

// Alarms about TURN relays, by their numbers in the catalogue.
const (
	alarmRelaysNear = 30005
	alarmRelaysFull = 30024
)

// tellCapacity raises and lowers the alarms about how many relays are in use (CA-04).
func (n *node) tellCapacity(u api.Usage) {
	detail := fmt.Sprintf("%d of %d relays are in use", u.Used, u.Limit)
	n.tell(alarmRelaysNear, nearLimit(u.Used, u.Limit, n.running().Licensing.WarnAt), detail)
	n.tell(alarmRelaysFull, u.Limit > 0 && u.Used >= u.Limit, detail)
}

// nearLimit says whether a limit is so full, in percent, that an operator should know.
func nearLimit(used, limit, warnAt int) bool {
	return warnAt > 0 && limit > 0 && used*100 >= limit*warnAt
}

const (
	alarmPorts = 45019
	// portsPerCall is what a call with video may take: a pair on each side for each of six
	// streams, twice over while it is moved (facts A4).
	portsPerCall = 48
)

// tellPorts says whether the media ports are enough for the calls of the platform.
func (n *node) tellPorts() {
	c := n.running()
	have, need := int(c.Media.Ports.End)-int(c.Media.Ports.Start)+1, portsPerCall*c.System.Platform.Limits().VideoCalls
	n.tell(alarmPorts, bool(c.SIP.Mode) && have < need,
		fmt.Sprintf("media.ports has %d ports; %d video calls may take %d", have, c.System.Platform.Limits().VideoCalls, need))
}

// tell raises an alarm while it is wanted and lowers it otherwise.
func (n *node) tell(number int, stands bool, detail string) {
	if n.board == nil {
		return
	}
	if stands {
		n.board.Raise(number, "", detail)
		return
	}
	n.board.Lower(number, "")
}

// somethingToDo says whether an alarm above notice waits for somebody.
func somethingToDo(list []alarms.Alarm) bool {
	return slices.ContainsFunc(list, func(a alarms.Alarm) bool { return a.State == alarms.Raised && a.Severity.AboveNotice() })
}

func alarmCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "alarm",
		Short: "See what is wrong with the node, and say that it is seen",
		Example: `  turnpike alarm list
  turnpike alarm show 20004
  turnpike alarm ack 25001`,
	}
	cmd.AddCommand(alarmList(a), alarmShow(a), alarmAck(a))
	return cmd
}

func alarmList(a *app) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the alarms that stand, the worst first",
		Long: `List the alarms that stand, the worst first. One that another explains is marked with
that one's number. Exit code 3 says that one above notice waits to be acknowledged.`,
		Example: `  turnpike alarm list
  turnpike alarm list --all -o json | jq '.[] | select(.severity == "critical")'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := a.client().Alarms(cmd.Context())
			if err != nil {
				return err
			}
			if !all {
				list = slices.DeleteFunc(list, func(x alarms.Alarm) bool { return !x.Stands() })
			}
			if err := a.show(list, func(w *tabwriter.Writer) { writeAlarms(w, list) }); err != nil {
				return err
			}
			if somethingToDo(list) {
				return &exitError{code: exitDegraded}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "list those that were lowered lately too")
	return cmd
}

func writeAlarms(w *tabwriter.Writer, list []alarms.Alarm) {
	if len(list) == 0 {
		_, _ = fmt.Fprintln(w, "no alarm stands")
		return
	}
	_, _ = fmt.Fprintln(w, "NUMBER\tSEVERITY\tSTATE\tSINCE\tTIMES\tTITLE\tKEY\tDETAIL")
	for _, x := range list {
		_, _ = fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%d\t%s\t%s\t%s\n", x.Number, x.Severity, stateOf(x),
			x.First.UTC().Format(time.DateTime), x.Times, x.Title, orDash(x.Key), printableText(x.Detail))
	}
}

func stateOf(x alarms.Alarm) string {
	if x.Behind != 0 {
		return fmt.Sprintf("%s, by %d", x.State, x.Behind)
	}
	return string(x.State)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return printableText(s)
}

// seen says in status who has acknowledged an alarm.
func seen(x alarms.Alarm) string {
	if x.State != alarms.Acknowledged {
		return ""
	}
	return " (seen by " + printableText(x.By) + ")"
}

// explained is what the catalogue says of a number.
type explained struct {
	Number    int             `json:"number"`
	Severity  alarms.Severity `json:"severity"`
	Title     string          `json:"title"`
	Text      string          `json:"text"`
	Remedy    string          `json:"remedy"`
	DependsOn []int           `json:"depends_on,omitempty"`
}

func alarmShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "show NUMBER",
		Short: "Say what an alarm means and what to do about it",
		Example: `  turnpike alarm show 20004
  turnpike alarm show 40068 -o json | jq -r .remedy`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			number, err := strconv.Atoi(args[0])
			k, ok := alarms.Find(number)
			if err != nil || !ok {
				return usage(fmt.Errorf("%q is no alarm: docs/alarms lists them", args[0]))
			}
			e := explained{k.Number, k.Severity, k.Title, k.Text, k.Remedy, k.DependsOn}
			return a.show(e, func(w *tabwriter.Writer) {
				l := lines{w}
				l.line("alarm", "%d %s (%s)", k.Number, k.Title, k.Severity)
				l.line("means", "%s", k.Text)
				l.line("remedy", "%s", k.Remedy)
				for _, d := range k.DependsOn {
					l.line("explained by", "%d", d)
				}
			})
		},
	}
}

func alarmAck(a *app) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "ack NUMBER|UUID...",
		Short: "Say that alarms are seen; they stand until they are mended",
		Example: `  turnpike alarm ack 25001
  turnpike alarm ack --all`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if all == (len(args) > 0) {
				return usage(errors.New("name alarms, or write --all"))
			}
			list, err := a.client().Alarms(cmd.Context())
			if err != nil {
				return err
			}
			chosen, err := meant(list, args)
			if err != nil {
				return err
			}
			for _, x := range chosen {
				if err := a.client().AcknowledgeAlarm(cmd.Context(), x.UUID); err != nil {
					return err
				}
			}
			return a.done(fmt.Sprintf("acknowledged %d", len(chosen)))
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "acknowledge all that stand")
	return cmd
}

// meant returns the alarms that stand and are named by number or UUID; all of them
// when none is named.
func meant(list []alarms.Alarm, names []string) ([]alarms.Alarm, error) {
	list = slices.DeleteFunc(list, func(x alarms.Alarm) bool { return !x.Stands() })
	if len(names) == 0 {
		return list, nil
	}
	var out []alarms.Alarm
	for _, name := range names {
		found := false
		for _, x := range list {
			if x.UUID == name || strconv.Itoa(x.Number) == name {
				out, found = append(out, x), true
			}
		}
		if !found {
			return nil, fmt.Errorf("%w: %s", alarms.ErrNoAlarm, printableText(name))
		}
	}
	return out, nil
}
