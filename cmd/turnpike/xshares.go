package main

import (
	"strconv"
	"strings"

	"turnpike.dev/turnpike/control/cli"
	"turnpike.dev/turnpike/control/sharing"
)

// xSharing is how the node counts what peers share.
func xSharing(s sharing.Status) []cli.Element {
	out := []cli.Element{value("State", s.State)}
	if s.Since != nil {
		out = append(out, value("Since", xTime(s.Since)))
	}
	if len(s.NotReached) > 0 {
		out = append(out, value("NotReached", printableText(strings.Join(s.NotReached, ", "))))
	}
	return append(out, branch("Waited", value("Requests", s.Waited.Requests), value("InVain", s.Waited.InVain), value("Seconds", strconv.FormatFloat(s.Waited.Seconds, 'f', 3, 64))))
}

// xShare is how one thing is shared out.
func xShare(s sharing.Share) []cli.Element {
	out := []cli.Element{
		value("Policy", s.Policy), value("State", s.State), value("Waiting", s.Waiting), xPart("Here", s.Here), xPart("Cluster", s.Cluster),
	}
	for i, h := range s.Peers {
		peer := branch("Peer "+strconv.Itoa(i+1), value("Name", printableText(h.Peer)), value("Granted", h.Granted), value("Used", h.Used),
			value("Reached", strconv.FormatBool(!h.Away)), value("Waiting", strconv.FormatBool(h.Waiting)))
		if h.Since != nil {
			peer.Elements = append(peer.Elements, value("WaitingSince", xTime(h.Since)))
		}
		out = append(out, peer)
	}
	return out
}

// xRefusals is why something was refused, and how often.
func xRefusals(f sharing.Refusals) []cli.Element {
	var out []cli.Element
	for i, why := range f.Shown() {
		out = append(out, branch("Refusal "+strconv.Itoa(i+1), value("Reason", printableText(why.Name)), value("Times", f[why.Name])))
	}
	return out
}

func xPart(name string, p sharing.Part) cli.Element {
	return branch(name, value("Total", p.Total), value("Granted", p.Granted), value("Used", p.Used))
}
