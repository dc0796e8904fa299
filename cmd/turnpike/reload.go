package main

import (
	"net"
	"strconv"
	"strings"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/config/store"
	"turnpike.dev/turnpike/control/eventlog"
)

// Reload reads the node file again and applies what can change while the node
// runs; the rest is stored for the next start. What of the file counts is as at a
// start. A file with errors changes nothing.
func (n *node) Reload() (api.Reload, error) {
	next, err := config.Load(n.file)
	if err != nil {
		return api.Reload{}, err
	}
	certificate, err := loadCertificate(next.TURN.TLS)
	if err != nil {
		return api.Reload{}, err
	}
	before := n.running()
	next.System.State = before.System.State // serve --state may have set it
	ignored, err := settle(n.store, n.file, next)
	if err != nil {
		return api.Reload{}, err
	}
	if certificate != nil { // its file may be new under the same name
		n.certificate.Store(certificate)
	}
	result := api.Reload{Applied: config.Diff(before, n.running()), NeedsRestart: n.NeedsRestart(), Ignored: ignored}
	if result.Applied == nil {
		result.Applied = []config.Change{}
	}
	return result, nil
}

// running returns the configuration that is at work. It differs from the stored one
// by what waits for a restart.
func (n *node) running() *config.Node {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.config
}

// Store returns the node's configuration store.
func (n *node) Store() *store.Store { return n.store }

// NeedsRestart lists what is stored and waits for the next start.
func (n *node) NeedsRestart() []config.Change {
	stored := n.store.Current().Node
	waiting := append(config.Diff(n.running(), stored), n.clusterRestart(stored)...)
	for i := range waiting {
		waiting[i].Live = false
	}
	if waiting == nil {
		return []config.Change{}
	}
	return waiting
}

// follow applies a store's configuration now and whenever it changes.
func (n *node) follow(s *store.Store) error {
	n.store = s
	if err := n.applyLog(s.Current().Node.Log); err != nil {
		return err
	}
	s.Subscribe(n.takeOver)
	return nil
}

// Numbers of "Restart required" (facts A5): of the cluster's settings, of what the node is,
// and of the rest.
const (
	alarmRestartCluster = 20007
	alarmRestart        = 25001
	alarmRestartType    = 30025
)

// takeOver applies what of a revision can change while the node runs.
func (n *node) takeOver(u store.Update) {
	n.mu.Lock()
	n.config = config.TakeLive(n.config, u.New.Node)
	now := n.config
	n.mu.Unlock()
	if err := n.applyLog(now.Log); err != nil {
		n.log.Error("System Configuration Not Applied", "Detail", err)
	}
	if n.engine != nil {
		n.engine.SetMargin(now.Bandwidth.PolicingMargin)
	}
	if n.turn != nil {
		n.turn.SetUsers(now.TURN.Passwords(), now.TURN.SharedSecrets())
		n.turn.SetDeny(now.TURN.DenyList())
	}
	if certificate, err := loadCertificate(now.TURN.TLS); err != nil {
		n.log.Error("System Configuration Not Applied", "Detail", err)
	} else {
		n.certificate.Store(certificate)
	}
	n.leaveOrStay(u)
	n.tellRestart(u.New)
}

// tellRestart raises the alarms that something waits for a restart, or lowers them.
func (n *node) tellRestart(s *store.Snapshot) {
	waiting := map[int][]string{alarmRestart: nil, alarmRestartCluster: nil, alarmRestartType: nil}
	for _, c := range append(config.Diff(n.running(), s.Node), n.clusterRestart(s.Node)...) {
		n.log.Warn("System Configuration Needs Restart", "Detail", config.ChangeText(n.running(), s.Node, c), "Revision", s.Number)
		number := alarmRestart
		switch {
		case strings.HasPrefix(c.Path, "cluster"):
			number = alarmRestartCluster
		case c.Path == "system.role", c.Path == "system.platform":
			number = alarmRestartType
		}
		waiting[number] = append(waiting[number], c.Path)
	}
	if n.cluster != nil { // its part in the cluster tells that
		delete(waiting, alarmRestartCluster)
	}
	for number, paths := range waiting {
		if len(paths) == 0 {
			n.store.Alarms.Lower(number, "")
			continue
		}
		n.store.Alarms.Raise(number, "", strconv.Itoa(len(paths))+" items are stored and wait for a restart, beginning with "+paths[0])
	}
}

// applyLog sets levels and remote servers.
func (n *node) applyLog(c config.Log) error {
	if err := n.log.SetLevel(string(c.Level)); err != nil {
		return err
	}
	modules := map[string]string{}
	for _, l := range c.Levels {
		modules[l.Name] = string(l.Level)
	}
	if err := n.log.SetModuleLevels(modules); err != nil {
		return err
	}
	if n.syslog == nil {
		return nil
	}
	return n.syslog.SetServers(syslogServers(c.Syslog))
}

func syslogServers(list []config.Syslog) []eventlog.Server {
	servers := make([]eventlog.Server, len(list))
	for i, s := range list {
		port := s.Address.Port
		if port == 0 && s.Transport == config.SyslogTLS {
			port = 6514 // RFC 5425
		} else if port == 0 {
			port = 514 // RFC 5426
		}
		servers[i] = eventlog.Server{
			Address:   net.JoinHostPort(s.Address.Host, strconv.Itoa(int(port))),
			Transport: eventlog.Transport(s.Transport),
			Level:     string(s.Level),
		}
	}
	return servers
}
