package transport

import (
	"slices"
	"strings"

	"turnpike.dev/turnpike/signaling/sip/message"
)

// Scanners returns what the User-Agent of programs says that look for open SIP servers. An
// answer would tell them that there is one.
func Scanners() []string {
	return []string{
		"friendly-scanner", "friendly-request", "sipvicious", "sundayddr", "sip-scan", "sipscan", "sipcli",
		"vaxsipuseragent", "vaxasip", "pplsip", "siparmyknife", "iwar", "smap ",
	}
}

func (t *Transport) isScanner(m *message.Message) bool {
	agent := m.Get("User-Agent")
	if agent == "" {
		return false
	}
	agent = strings.ToLower(agent)
	return slices.ContainsFunc(t.cfg.Scanners, func(s string) bool { return strings.Contains(agent, s) })
}
