package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"turnpike.dev/turnpike/control/calls"
	"turnpike.dev/turnpike/control/cli"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/registrations"
)

// addCalls adds what xStatus and xCommand tell and do of calls and registrations
// (facts A6).
func addCalls(sh *cli.Shell, n *node) {
	sh.AddStatus(cli.Status{Name: "Calls", Text: "Calls that run.", Tell: func(context.Context) []cli.Element { return xCalls(n.Calls(false)) }})
	sh.AddStatus(cli.Status{Name: "Registrations", Text: "Registrations of this node.", Tell: func(context.Context) []cli.Element { return xRegistrations(n.bound.List()) }})
	sh.AddCommand(n.xDisconnectCall())
	sh.AddCommand(n.xFindRegistration())
	sh.AddCommand(n.xRemoveRegistration())
}

func xCalls(list []calls.Call) []cli.Element {
	var out []cli.Element
	for i, c := range list {
		e := branch("Call "+strconv.Itoa(i+1),
			value("ID", c.ID), value("SerialNumber", c.Serial), value("State", string(c.State)),
			value("StartTime", c.Started.UTC().Format(time.DateTime)), value("Duration", int(c.Seconds)),
			xLeg(1, c.From, c.Caller), xLeg(2, c.To, c.Callee),
			value("SearchRule", c.Route.Rule), value("Route", printableText(c.Route.Path)), value("Traversal", onOff(c.Media.Traversal)), value("TraversalReason", printableText(c.Media.Why)),
			value("Bandwidth", c.Media.GrantedKbps), xGrant(c.Media))
		for _, s := range c.Streams {
			e.Elements = append(e.Elements, branch("Stream "+strconv.Itoa(s.Index+1), value("Type", s.Kind), value("Path", s.Path),
				branch("FromCaller", value("Packets", s.A.Packets), value("Lost", s.A.Lost)),
				branch("FromCallee", value("Packets", s.B.Packets), value("Lost", s.B.Lost))))
		}
		out = append(out, e)
	}
	return out
}

func xLeg(number int, as string, p calls.Party) cli.Element {
	return branch("Leg "+strconv.Itoa(number), value("Alias", printableText(as)), value("Protocol", p.Protocol), value("Transport", p.Transport),
		value("Address", addressOf(p)), value("Zone", p.Zone), value("SubZone", p.Subzone), value("CallID", printableText(p.CallID)))
}

func addressOf(p calls.Party) string {
	if !p.Address.IsValid() {
		return ""
	}
	return p.Address.String()
}

func xRegistrations(list []*registrations.Binding) []cli.Element {
	out := []cli.Element{}
	for i, b := range list {
		out = append(out, branch("Registration "+strconv.Itoa(i+1),
			value("ID", b.ID), value("SerialNumber", b.Serial.String()), value("Protocol", b.Protocol.String()), value("Alias", printableText(b.AOR)),
			value("Contact", printableText(b.Contact)), value("Address", b.Source.String()), value("Transport", b.Transport),
			value("SubZone", b.Subzone), value("Zone", b.Zone), value("Account", printableText(b.Account)), value("VendorInfo", printableText(b.UserAgent)),
			value("CreationTime", b.Since.UTC().Format(time.DateTime)), value("SecondsToExpiry", max(0, int(time.Until(b.Expires)/time.Second)))))
	}
	return out
}

// eitherOf returns the one of two parameters that is there.
func eitherOf(args map[string]string, command, a, b string) (string, error) {
	if (args[a] == "") == (args[b] == "") {
		return "", fmt.Errorf("%w: xCommand %s: write %s or %s", cli.ErrUsage, command, a, b)
	}
	return args[a] + args[b], nil
}

func (n *node) xDisconnectCall() cli.Command {
	return cli.Command{
		Name: "DisconnectCall", Needs: cli.Operate, Text: "Ends a call.",
		Params: []cli.Param{
			{Name: "Call", Kind: config.Integer(1, 1<<31-1), Text: "Its ID, as xStatus Calls has it."},
			{Name: "CallSerialNumber", Kind: config.Text(1, 255), Text: "Its serial number."},
		},
		Run: func(_ context.Context, args map[string]string, who cli.Caller) ([]cli.Element, error) {
			name, err := eitherOf(args, "DisconnectCall", "Call", "CallSerialNumber")
			if err != nil {
				return nil, err
			}
			return nil, n.Disconnect(name, who.User)
		},
	}
}

func (n *node) xFindRegistration() cli.Command {
	return cli.Command{
		Name: "FindRegistration", Needs: cli.Look, Text: "Lists the registrations of an alias on this node.",
		Params: []cli.Param{{Name: "Alias", Kind: config.Text(1, 512), Required: true, Text: "Alias that is registered."}},
		Run: func(_ context.Context, args map[string]string, _ cli.Caller) ([]cli.Element, error) {
			list, err := n.Registrations(args["Alias"])
			if err != nil {
				return nil, err
			}
			if len(list) == 0 {
				return nil, errNoRegistration
			}
			return xRegistrations(list), nil
		},
	}
}

func (n *node) xRemoveRegistration() cli.Command {
	return cli.Command{
		Name: "RemoveRegistration", Needs: cli.Operate, Text: "Removes a registration. The endpoint comes back at its next refresh, unless it is kept out.",
		Params: []cli.Param{
			{Name: "Registration", Kind: config.Integer(1, 1<<31-1), Text: "Its ID, as xStatus Registrations has it."},
			{Name: "RegistrationSerialNumber", Kind: config.Text(1, 255), Text: "Its serial number."},
		},
		Run: func(_ context.Context, args map[string]string, who cli.Caller) ([]cli.Element, error) {
			name, err := eitherOf(args, "RemoveRegistration", "Registration", "RegistrationSerialNumber")
			if err != nil {
				return nil, err
			}
			return nil, n.RemoveRegistration(name, who.User)
		},
	}
}
