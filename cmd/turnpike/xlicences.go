package main

import (
	"context"
	"strconv"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/cli"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/licensing"
)

// addLicences adds what xStatus and xCommand tell and do of option keys and limits
// (facts A6).
func addLicences(sh *cli.Shell, n *node) {
	status := func(name, text string, tell func(api.Licences) []cli.Element) {
		sh.AddStatus(cli.Status{Name: name, Text: text, Tell: func(context.Context) []cli.Element { return tell(n.Licences()) }})
	}
	status("Options", "Installed option keys, and whether each counts.", xOptions)
	status("License", "What option keys give, and how much of it is used.", xLicense)
	status("ResourceUsage", "How much of the limits is used.", xResourceUsage)
	sh.AddCommand(n.xOptionKeyAdd())
	sh.AddCommand(n.xOptionKeyDelete())
}

func xOptions(l api.Licences) []cli.Element {
	out := []cli.Element{}
	for _, k := range l.Keys {
		e := branch("Option "+strconv.Itoa(k.Number), value("Key", k.Key), value("Active", strconv.FormatBool(k.Counts)))
		if k.Feature != "" {
			e.Elements = append(e.Elements, value("Description", gives(k)), value("Feature", k.Feature), value("Count", k.Count),
				value("Until", k.Until), value("SerialNumber", k.Serial), value("Issuer", k.Issuer))
		}
		if k.Why != "" {
			e.Elements = append(e.Elements, value("Reason", printableText(k.Why)))
		}
		out = append(out, e)
	}
	return out
}

func xLicense(l api.Licences) []cli.Element {
	mode := "OptionKeys"
	if l.Evaluation {
		mode = "Evaluation"
	}
	out := []cli.Element{value("Mode", mode), value("Node", l.Node), branch("Sharing", xSharing(l.Sharing)...)}
	for _, u := range l.Use {
		switch u.Name {
		case "rms":
			out = append(out, xUsage("RichMediaSessions", u))
		case "room":
			out = append(out, xUsage("RoomSystems", u))
		case "desktop":
			out = append(out, xUsage("DesktopSystems", u))
		}
	}
	for _, f := range l.Features {
		out = append(out, value("Feature", f))
	}
	return out
}

func xResourceUsage(l api.Licences) []cli.Element {
	by := map[string]api.LicenceUse{}
	for _, u := range l.Use {
		by[u.Name] = u
	}
	calls := xUsage("Calls", by["calls"])
	calls.Elements = append(calls.Elements, xUsage("Traversal", by["traversal"]), xUsage("NonTraversal", by["non_traversal"]))
	registrations := xUsage("Registrations", by["registrations"])
	registrations.Elements = append(registrations.Elements, xUsage("RoomSystems", by["room"]), xUsage("DesktopSystems", by["desktop"]), xUsage("Proxied", by["proxied"]))
	return []cli.Element{calls, xUsage("RichMediaSessions", by["rms"]), registrations, branch("TURN", xUsage("Relays", by["relays"]))}
}

func xUsage(name string, u api.LicenceUse) cli.Element {
	e := branch(name, value("Current", u.Used), value("Maximum", u.Limit), value("Refused", u.Refused))
	e.Elements = append(e.Elements, xRefusals(u.Refusals)...)
	if u.Shared() {
		e.Elements = append(e.Elements, xShare(u.Share)...)
	}
	return e
}

func (n *node) xOptionKeyAdd() cli.Command {
	return cli.Command{
		Name: "OptionKeyAdd", Text: "Installs an option key that counts on this node.",
		Params: []cli.Param{{Name: "Key", Kind: config.Text(1, licensing.MaxKey), Required: true, Text: "The key."}},
		Run: func(_ context.Context, args map[string]string, who cli.Caller) ([]cli.Element, error) {
			if err := n.InstallKey(who, args["Key"]); err != nil {
				return nil, err
			}
			for _, k := range n.Licences().Keys {
				if k.Key == args["Key"] {
					return []cli.Element{value("XPath", "Option "+strconv.Itoa(k.Number))}, nil
				}
			}
			return nil, nil
		},
	}
}

func (n *node) xOptionKeyDelete() cli.Command {
	return cli.Command{
		Name: "OptionKeyDelete", Text: "Removes an option key. What runs goes on.",
		Params: []cli.Param{{Name: "OptionKeyId", Kind: config.Integer(1, licensing.MaxKeys), Required: true, Text: "Its index, as xStatus Options has it."}},
		Run: func(_ context.Context, args map[string]string, who cli.Caller) ([]cli.Element, error) {
			return nil, n.RemoveKey(who, args["OptionKeyId"])
		},
	}
}
