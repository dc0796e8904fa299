package main

import (
	"context"
	"os"
	"time"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/cli"
)

// newShell returns a node's second command language. Who has more to tell or to do
// adds it here.
func newShell(n *node) *cli.Shell {
	sh := cli.New(n.store, n.NeedsRestart)
	status := func(name, text string, tell func(api.Status) []cli.Element) {
		sh.AddStatus(cli.Status{Name: name, Text: text, Tell: func(context.Context) []cli.Element { return tell(n.Status()) }})
	}
	status("SystemUnit", "Name, software and state of the node.", systemUnit)
	status("Time", "The node's clock.", clock)
	status("NetworkInterface", "Interfaces, and who relays on them.", networkInterfaces)
	status("TURN", "The TURN server and its relays.", turnElements)
	sh.AddCommand(cli.Command{
		Name: "Restart", Text: "Starts the node's process again. Media goes on in the kernel meanwhile.",
		Run: func(context.Context, map[string]string, cli.Caller) ([]cli.Element, error) {
			n.Restart()
			return nil, nil
		},
	})
	sh.AddCommand(n.xForceConfigUpdate())
	addCluster(sh, n)
	addLicences(sh, n)
	addRouting(sh, n)
	addCalls(sh, n)
	addBandwidth(sh, n)
	return sh
}

func value(name string, v any) cli.Element { return cli.Element{Name: name, Value: v} }

func branch(name string, below ...cli.Element) cli.Element {
	return cli.Element{Name: name, Elements: below}
}

func systemUnit(st api.Status) []cli.Element {
	host, _ := os.Hostname()
	return []cli.Element{
		value("Product", "Turnpike"), value("Name", st.Name), value("Hostname", host), value("Uptime", int(st.Uptime)),
		branch("Software", value("Version", st.Version)),
		branch("Hardware", value("SerialNumber", st.ID), value("Platform", st.Platform)),
		value("Role", st.Role), value("State", string(st.State)), value("Maintenance", onOff(st.Draining)),
	}
}

func onOff(on bool) string {
	if on {
		return "On"
	}
	return "Off"
}

func clock(st api.Status) []cli.Element {
	now := time.Now()
	return []cli.Element{
		value("Local", now.Format("2006-01-02 15:04:05")), value("UTC", now.UTC().Format("2006-01-02 15:04:05")),
		value("Started", st.Started.UTC().Format("2006-01-02 15:04:05")),
	}
}

func networkInterfaces(st api.Status) []cli.Element {
	var out []cli.Element
	for _, i := range st.Interfaces {
		e := branch(i.Name, value("Side", i.Side), value("Path", i.Path), value("MTU", i.MTU))
		for _, a := range i.Addresses {
			e.Elements = append(e.Elements, value("Address", a))
		}
		if i.Reason != "" {
			e.Elements = append(e.Elements, value("Reason", i.Reason))
		}
		out = append(out, e)
	}
	return out
}

func turnElements(st api.Status) []cli.Element {
	server := branch("Server", value("Status", activeOr(st.TURN.Mode)), value("Realm", st.TURN.Realm))
	for _, l := range st.TURN.Listen {
		server.Elements = append(server.Elements, value("Listen", l))
	}
	relays := branch("Relays", value("Count", st.Relays.Used), value("Maximum", st.Relays.Limit))
	for _, r := range st.TURN.Relay {
		relays.Elements = append(relays.Elements, value("Address", r.Public))
	}
	return []cli.Element{server, relays}
}

func activeOr(mode string) string {
	if mode == "on" {
		return "Active"
	}
	return "Inactive"
}
