package main

import (
	"strings"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/config"
)

// Reload reads the node file again and applies what can change while the node
// runs. A file with errors changes nothing.
func (n *node) Reload() (api.Reload, error) {
	next, err := config.Load(n.file)
	if err != nil {
		return api.Reload{}, err
	}
	certificate, err := loadCertificate(next.TURN.TLS)
	if err != nil {
		return api.Reload{}, err
	}
	n.mu.Lock()
	running := n.config
	next.System.State = running.System.State // serve --state may have set it
	result := api.Reload{Applied: []config.Change{}, NeedsRestart: []config.Change{}}
	for _, c := range config.Diff(running, next) {
		if c.Live && (running.TURN.TLS != nil || !strings.HasPrefix(c.Path, "turn.tls.")) {
			result.Applied = append(result.Applied, c)
		} else {
			c.Live = false
			result.NeedsRestart = append(result.NeedsRestart, c)
		}
	}
	n.config = withLive(running, next)
	n.mu.Unlock()

	if certificate != nil {
		n.certificate.Store(certificate)
	}
	if err := n.log.SetLevel(string(next.Log.Level)); err != nil {
		return result, err
	}
	if n.turn != nil {
		n.turn.SetUsers(next.TURN.Passwords(), next.TURN.SharedSecrets())
		n.turn.SetDeny(next.TURN.DenyList())
	}
	n.tellReload(result)
	return result, nil
}

// withLive returns what runs now with what a reload changes of it.
func withLive(running, next *config.Node) *config.Node {
	c := *running
	c.TURN.Users, c.TURN.Secrets, c.TURN.Deny = next.TURN.Users, next.TURN.Secrets, next.TURN.Deny
	c.Log.Level = next.Log.Level
	if c.TURN.TLS != nil && next.TURN.TLS != nil {
		t := *c.TURN.TLS
		t.Certificate, t.Key = next.TURN.TLS.Certificate, next.TURN.TLS.Key
		c.TURN.TLS = &t
	}
	return &c
}

func (n *node) tellReload(r api.Reload) {
	for _, c := range r.Applied {
		n.log.Event("System Configuration Changed", "Detail", c.Path+" - changed from: '"+c.From+"' to: '"+c.To+"'", "Src", n.file)
	}
	for _, c := range r.NeedsRestart {
		n.log.Warn("System Configuration Needs Restart", "Detail", c.Path+" - changed from: '"+c.From+"' to: '"+c.To+"'", "Src", n.file)
	}
}
