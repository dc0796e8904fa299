package config

import (
	"fmt"

	"turnpike.dev/turnpike/control/accounts"
)

// admin looks at what would let in somebody who should not be, or nobody at all.
func (c checker) admin() {
	a := c.n.Admin
	if m := a.Metrics; m.IsValid() && !m.Addr().IsLoopback() {
		c.wrong("admin.metrics", fmt.Sprintf("admin.metrics cannot be %s: it has no authentication", m),
			"write a loopback address, for example 127.0.0.1:9464, and put a proxy in front")
	}
	if a.HTTPS.Mode {
		c.adminPort()
	}
	for i, account := range a.Accounts {
		if account.Password == Hidden {
			continue // it stays as it is
		}
		if err := accounts.Check(string(account.Password)); err != nil {
			c.wrong(fmt.Sprintf("admin.accounts[%d].password", i+1), fmt.Sprintf("the password of %s is kept as a hash only: %v", account.Name, err),
				"make it with `turnpike account hash`, or set it with `turnpike account set NAME`")
		}
	}
}

// adminPort keeps administration apart from what others reach over TCP.
func (c checker) adminPort() {
	own := c.n.Admin.HTTPS.Port
	if own == 0 {
		c.wrong("admin.https.port", "admin.https.mode is on without a port", "write admin.https.port: 443")
	}
	if own == 80 && c.n.Admin.HTTPS.Redirect {
		c.wrong("admin.https.port", "admin.https.port cannot be 80 where browsers are redirected from it", "use 443")
	}
	taken := map[string]Port{}
	if c.n.TURN.Mode && c.n.TURN.TLS != nil {
		taken["turn.tls.port"] = Port(c.n.TURN.TLS.Port)
	}
	if c.n.TURN.Mode && c.n.TURN.TCP {
		taken["turn.port"] = Port(c.n.TURN.Port)
	}
	if c.n.SIP.Mode {
		taken["sip.tcp"], taken["sip.tls"] = c.n.SIP.TCP, c.n.SIP.TLS
	}
	for _, other := range []string{"turn.tls.port", "turn.port", "sip.tcp", "sip.tls"} {
		if port, ok := taken[other]; ok && port == own && own != 0 {
			c.wrong("admin.https.port", fmt.Sprintf("admin.https.port %d is also %s", own, other), "use another for one of them")
		}
	}
}
