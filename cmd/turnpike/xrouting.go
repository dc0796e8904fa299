package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"turnpike.dev/turnpike/control/cli"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/routing"
)

// addRouting adds what xStatus and xCommand tell of alarms, zones and the dial plan
// (facts A6).
func addRouting(sh *cli.Shell, n *node) {
	sh.AddStatus(cli.Status{Name: "Alarm", Text: "Alarms that stand.", Tell: func(context.Context) []cli.Element { return n.xAlarms() }})
	sh.AddCommand(n.xLocate())
	sh.AddCommand(n.xZoneList())
	sh.AddCommand(xCheckPattern())
}

func (n *node) xAlarms() []cli.Element {
	var out []cli.Element
	for _, a := range n.Alarms() {
		if !a.Stands() {
			continue
		}
		out = append(out, branch("Alarm "+strconv.Itoa(len(out)+1),
			value("ID", a.Number), value("UUID", a.UUID), value("Severity", a.Severity.String()), value("Title", a.Title),
			value("Key", a.Key), value("Detail", a.Detail), value("State", string(a.State)),
			value("FirstRaised", a.First.UTC().Format(time.DateTime)), value("LastRaised", a.Last.UTC().Format(time.DateTime))))
	}
	return out
}

func aliasParam() cli.Param {
	return cli.Param{Name: "Alias", Kind: config.Text(1, 512), Required: true, Text: "Alias that is called."}
}

func (n *node) xLocate() cli.Command {
	return cli.Command{
		Name: "Locate", Needs: cli.Look, Text: "Says where a call to an alias would go, and why.",
		Params: []cli.Param{
			aliasParam(),
			{Name: "HopCount", Kind: config.Integer(0, 255), Text: "Hops that the request may still take; 15 when left out."},
			{Name: "Protocol", Kind: config.Words("sip=SIP", "h323=H323"), Text: "Protocol of the request; SIP when left out."},
			{Name: "SourceZone", Kind: config.Text(1, 50), Text: "Zone or subzone that it comes from; the Local Zone when left out."},
			{Name: "Authenticated", Kind: config.Words("yes=Yes", "no=No"), Text: "Whether the caller is authenticated; Yes when left out."},
			{Name: "SourceAlias", Kind: config.Text(0, 512), Text: "Alias of the caller."},
		},
		Run: func(_ context.Context, args map[string]string, _ cli.Caller) ([]cli.Element, error) {
			answer, err := n.Locate(questionOf(args))
			if err != nil {
				return nil, err
			}
			return locateElements(answer), nil
		},
	}
}

func questionOf(args map[string]string) routing.Question {
	q := routing.Question{
		Alias: args["Alias"], Source: args["SourceZone"], Protocol: strings.ToLower(args["Protocol"]), HopCount: 15,
		Authenticated: !strings.EqualFold(args["Authenticated"], "no"), Caller: args["SourceAlias"],
	}
	if hops, err := strconv.Atoi(args["HopCount"]); err == nil {
		q.HopCount = hops
	}
	return q
}

func locateElements(a routing.Answer) []cli.Element {
	out := []cli.Element{value("Found", a.Found), value("Reason", a.Reason)}
	for i, t := range a.Targets {
		out = append(out, branch("Target "+strconv.Itoa(i+1),
			value("Turn", t.Group+1), value("Zone", t.Zone), value("Alias", t.Alias), value("Protocol", t.Protocol),
			value("At", at(t)), value("Rule", t.Rule), value("HopCount", t.HopCount)))
	}
	for i, s := range a.Steps {
		why := s.Why
		if s.Name != "" {
			why = s.Name + ": " + why
		}
		out = append(out, branch("Step "+strconv.Itoa(i+1), value("Kind", s.Kind), value("Outcome", string(s.Outcome)), value("Why", printableText(why))))
	}
	return out
}

// xZoneList lists the zones that a call from here to an alias would ask.
func (n *node) xZoneList() cli.Command {
	return cli.Command{
		Name: "ZoneList", Needs: cli.Look, Text: "Lists the zones that would be searched for an alias, in order.", Params: []cli.Param{aliasParam()},
		Run: func(_ context.Context, args map[string]string, _ cli.Caller) ([]cli.Element, error) {
			answer, err := n.Locate(questionOf(args))
			if err != nil {
				return nil, err
			}
			var out []cli.Element
			last := ""
			for _, t := range answer.Targets {
				if t.Zone != last {
					out = append(out, value("Zone", t.Zone))
				}
				last = t.Zone
			}
			if len(out) == 0 {
				return nil, errors.New(answer.Reason)
			}
			return out, nil
		},
	}
}

func xCheckPattern() cli.Command {
	return cli.Command{
		Name: "CheckPattern", Needs: cli.Look, Text: "Says whether a pattern matches an alias, and what becomes of it.",
		Params: []cli.Param{
			{Name: "Target", Kind: config.Text(1, 512), Required: true, Text: "Alias that is compared."},
			{Name: "Pattern", Kind: config.Text(1, 256), Required: true, Text: "What it is compared with."},
			{Name: "Type", Kind: config.Words("exact", "prefix", "suffix", "regex"), Required: true, Text: "How it is compared."},
			{Name: "Behavior", Kind: config.Words("leave", "strip", "replace", "addprefix=AddPrefix", "addsuffix=AddSuffix"), Text: "What becomes of it; Leave when left out."},
			{Name: "Replace", Kind: config.Text(0, 256), Text: "Text that is put there or added."},
		},
		Run: func(_ context.Context, args map[string]string, _ cli.Caller) ([]cli.Element, error) {
			behavior := args["Behavior"]
			if behavior == "" {
				behavior = "leave"
			}
			c, err := tryPattern(args["Target"], args["Pattern"], args["Type"], behavior, args["Replace"])
			if err != nil {
				return nil, fmt.Errorf("%w: xCommand CheckPattern: %w", cli.ErrUsage, err)
			}
			out := []cli.Element{value("Match", c.Matches)}
			if c.Matches {
				out = append(out, value("Result", c.Result))
			}
			return out, nil
		},
	}
}
