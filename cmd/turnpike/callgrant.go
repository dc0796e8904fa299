package main

import (
	"strconv"
	"strings"

	"turnpike.dev/turnpike/control/calls"
	"turnpike.dev/turnpike/control/cli"
)

// writeGrant shows what a call has of the node, and what it uses of that.
func writeGrant(l lines, m calls.Media) {
	if m.GrantedKbps == 0 {
		return
	}
	asked := ""
	if m.AskedKbps != m.GrantedKbps {
		asked = ", asked for " + strconv.Itoa(int(m.AskedKbps))
	}
	l.line("bandwidth", "%d kbit/s%s%s", m.GrantedKbps, asked, sentOf(m.MeasuredKbps))
	l.line("licence", "%s", licenceOf(m.HalfRMS))
	for i, c := range m.Charges {
		label := ""
		if i == 0 {
			label = "charged on"
		}
		l.line(label, "%s %s%s", c.Kind, printableText(c.Name), timesOf(c.Times))
	}
	if len(m.Links) > 0 {
		l.line("links", "%s", printableText(strings.Join(m.Links, ", ")))
	}
}

func sentOf(r *calls.Rate) string {
	if r == nil {
		return ""
	}
	return "; measured " + strconv.Itoa(int(r.FromCaller)) + " from the caller, " + strconv.Itoa(int(r.FromCallee)) + " from the callee"
}

// licenceOf says how many rich media session licences so many halves are.
func licenceOf(halves int) string {
	if halves == 0 {
		return "none"
	}
	return strconv.FormatFloat(float64(halves)/2, 'f', -1, 64) + " rich media session"
}

func timesOf(n int) string {
	if n == 1 {
		return ""
	}
	return ", " + strconv.Itoa(n) + " times"
}

// xGrant is the same in xStatus.
func xGrant(m calls.Media) cli.Element {
	e := branch("Resources", value("RequestedBandwidth", m.AskedKbps), value("AllocatedBandwidth", m.GrantedKbps), value("HalfRMS", m.HalfRMS))
	if r := m.MeasuredKbps; r != nil {
		e.Elements = append(e.Elements, branch("Measured", value("FromCaller", r.FromCaller), value("FromCallee", r.FromCallee)))
	}
	for i, c := range m.Charges {
		e.Elements = append(e.Elements, branch("Charge "+strconv.Itoa(i+1), value("Type", c.Kind), value("Name", printableText(c.Name)), value("Times", c.Times)))
	}
	return e
}
