package main

import (
	"errors"
	"fmt"
	"strconv"

	"turnpike.dev/turnpike/control/alias"
	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/calls"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/config/store"
	"turnpike.dev/turnpike/control/dialplan"
	"turnpike.dev/turnpike/control/eventlog"
	"turnpike.dev/turnpike/control/registrations"
	"turnpike.dev/turnpike/control/routing"
)

var _ api.Carrier = (*node)(nil)

// carry gives the node its resources, its book of calls and its table of registrations,
// whichever protocols fill them. The records of calls are the caller's to run.
func (n *node) carry(c *config.Node, state *stateDir, log *eventlog.Log) (*calls.Records, error) {
	if err := n.provide(c, state, log); err != nil {
		return nil, err
	}
	var cdr *calls.Records
	if file := c.RecordsFile(); file != "" {
		var err error
		if cdr, err = calls.OpenRecords(file); err != nil {
			return nil, err
		}
	}
	n.calls = calls.New(calls.Config{
		Log: log.Module("control.calls"), Records: cdr, Trace: bool(c.Calls.Trace),
	})
	n.store.Subscribe(func(u store.Update) { n.calls.SetTrace(bool(u.New.Node.Calls.Trace)) }, "calls")
	bound := log.Module("control.registrations")
	var renewed func(was, is *registrations.Binding)
	if len(c.Cluster.Peers) > 0 { // nobody else wants to know
		renewed = func(was, is *registrations.Binding) { n.shared.renewed(was, is) }
	}
	n.bound = registrations.New(registrations.Config{
		Capacity: n.resources.Registrations(),
		Alarms:   n.board,
		Told: func(e registrations.Event) {
			registered(bound, e)
			n.shared.told(e)
		},
		Renewed: renewed,
		File:    state.file(boundFile),
		Failed:  func(err error) { n.note(err.Error()) },
	})
	n.welcomeBack(c)
	n.share(c)
	n.router.Connect(dialplan.Network{Registrations: n.registered()})
	return cdr, nil
}

// welcomeBack takes the registrations of the process before, but those of accounts that
// have gone since.
func (n *node) welcomeBack(c *config.Node) {
	if _, err := n.bound.Restore(); err != nil {
		n.note(err.Error())
	}
	there := make(map[string]bool, len(c.Accounts))
	for _, a := range c.Accounts {
		there[a.Name] = true
	}
	n.bound.Revoke(func(account string) bool { return there[account] })
}

// registered tells the log who came and went (facts A8, A9).
func registered(log *eventlog.Log, e registrations.Event) {
	b := e.Binding
	event, detail := "Registration Accepted", ""
	if e.Why != "" {
		event, detail = "Registration Removed", string(e.Why)
	}
	log.Event(event, "Reason", detail, "Service", protocolName(b.Protocol),
		"Src-ip", b.Source.Addr(), "Src-port", b.Source.Port(), "Src-alias", b.AOR,
		"Contact", b.Contact, "AOR", b.AOR, "Call-serial-number", b.Serial, "Subzone", b.Subzone)
}

func protocolName(p dialplan.Protocol) string {
	if p == dialplan.H323 {
		return "H.323"
	}
	return "SIP"
}

// Calls lists calls (api.Carrier).
func (n *node) Calls(ended bool) []calls.Call {
	if ended {
		return n.calls.EndedCalls()
	}
	return n.calls.Calls()
}

// Call returns a call (api.Carrier).
func (n *node) Call(name string) (calls.Call, error) { return n.calls.Call(name) }

// Ladder returns the messages of a call (api.Carrier).
func (n *node) Ladder(name string, secrets bool) (calls.Ladder, error) {
	return n.calls.Ladder(name, secrets)
}

// Disconnect ends a call (api.Carrier).
func (n *node) Disconnect(name, by string) error {
	return n.calls.Disconnect(name, "disconnected by "+by)
}

// Registrations lists registrations (api.Carrier).
func (n *node) Registrations(name string) ([]*registrations.Binding, error) {
	list := []*registrations.Binding{}
	if name == "" {
		return append(list, n.bound.List()...), nil
	}
	if b, err := n.binding(name); err == nil {
		return append(list, b), nil
	}
	name, err := canonical(name)
	return append(list, n.bound.Of(name)...), err
}

// canonical is the one spelling of a name that somebody asks for.
func canonical(name string) (string, error) {
	a, err := alias.Parse(name)
	if err != nil {
		return "", fmt.Errorf("%w: %w", api.ErrWrongQuestion, err)
	}
	return a.Name, nil
}

// RemoveRegistration ends a registration (api.Carrier).
func (n *node) RemoveRegistration(name, by string) error {
	b, err := n.binding(name)
	if err != nil {
		return err
	}
	n.log.Event("Registration Removal Asked", "User", by, "AOR", b.AOR, "Contact", b.Contact)
	if !n.bound.Remove(b.ID, registrations.Removed) {
		return registrations.ErrUnknown
	}
	return nil
}

// binding finds a registration by number or serial.
func (n *node) binding(name string) (*registrations.Binding, error) {
	var s registrations.Serial
	if s.UnmarshalText([]byte(name)) == nil {
		return n.bound.Find(s)
	}
	id, err := strconv.ParseUint(name, 10, 64)
	if b, ok := n.bound.Get(id); err == nil && ok {
		return b, nil
	}
	return nil, registrations.ErrUnknown
}

// addCarried tells in status how many calls and registrations there are.
func (n *node) addCarried(st *api.Status, c *config.Node) {
	if n.calls == nil || !c.SIP.Mode {
		return
	}
	st.SIP = n.sipListens(c)
	st.Calls = n.callsUsed(c)
	st.Registrations = api.Usage{Used: n.bound.Counts().Local, Limit: c.MaxRegistrations()}
}

// sipListens lists where SIP is spoken.
func (n *node) sipListens(c *config.Node) []string {
	list := []string{}
	for _, l := range []struct {
		transport string
		port      config.Port
	}{{"udp", c.SIP.UDP}, {"tcp", c.SIP.TCP}, {"tls", c.SIP.TLS}} {
		for _, at := range sipOn(n.sides, l.port) {
			list = append(list, l.transport+" "+at.String())
		}
	}
	return list
}

// callsOf counts the running calls with one end in each zone.
func callsOf(list []calls.Call) map[string]int {
	count := map[string]int{}
	for _, c := range list {
		count[c.Caller.Zone]++
		if c.Callee.Zone != c.Caller.Zone {
			count[c.Callee.Zone]++
		}
	}
	return count
}

// Zones lists the zones with the calls that each has (api.Router).
func (n *node) Zones() []routing.ZoneSummary {
	list := n.router.Summaries()
	if n.calls == nil {
		return list
	}
	count := callsOf(n.calls.Calls())
	for i := range list {
		list[i].Calls = count[list[i].Name]
	}
	return list
}

// errNoRegistration is what a name without registrations comes to.
var errNoRegistration = errors.New("nobody is registered under that name: see `turnpike registration list`")
