package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"turnpike.dev/turnpike/control/bandwidth"
	"turnpike.dev/turnpike/control/cli"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/occupancy"
	"turnpike.dev/turnpike/control/routing"
)

// addBandwidth adds what xStatus and xCommand tell of bandwidth (facts A6).
func addBandwidth(sh *cli.Shell, n *node) {
	sh.AddStatus(cli.Status{Name: "Links", Text: "Links, and what calls use of them.", Tell: func(context.Context) []cli.Element { return xObjects("Link", "link", n.Bandwidth()) }})
	sh.AddStatus(cli.Status{Name: "Pipes", Text: "Pipes, and what calls use of them.", Tell: func(context.Context) []cli.Element { return xObjects("Pipe", "pipe", n.Bandwidth()) }})
	sh.AddStatus(cli.Status{Name: "Zones", Text: "The Local Zone with its subzones, and the other zones with their peers.", Tell: func(context.Context) []cli.Element { return xZones(n.Zones(), n.Bandwidth()) }})
	sh.AddCommand(n.xCheckBandwidth())
}

// xObjects lists the objects of a kind, numbered as they are configured.
func xObjects(name, kind string, r occupancy.Report) []cli.Element {
	var out []cli.Element
	for _, o := range r.Objects {
		if o.Kind == kind {
			out = append(out, branch(name+" "+strconv.Itoa(len(out)+1), xObject(o)...))
		}
	}
	return out
}

// xObject is an object with its calls and bandwidth.
func xObject(o occupancy.Object) []cli.Element {
	out := []cli.Element{value("Name", o.Name)}
	for i, end := range o.Ends {
		out = append(out, branch("Node"+strconv.Itoa(i+1), value("Name", end)))
	}
	for i, pipe := range o.Pipes {
		out = append(out, branch("Pipe"+strconv.Itoa(i+1), value("Name", pipe)))
	}
	if o.Kind == "pipe" {
		out = append(out, branch("Policing", value("Mode", onOff(o.Policing))))
	}
	return append(out, value("Calls", o.Calls), xUsed(o))
}

// xUsed is the bandwidth of an object in kbit/s.
func xUsed(o occupancy.Object) cli.Element {
	e := branch("Bandwidth", value("LocalUsage", o.GrantedKbps), value("Measured", o.MeasuredKbps), value("MeasuredCalls", o.MeasuredCalls))
	for _, l := range []struct {
		name  string
		limit *int
	}{{"Total", o.TotalKbps}, {"PerCall", o.PerCallKbps}, {"PerCallIntra", o.WithinKbps}} {
		if l.limit != nil {
			e.Elements = append(e.Elements, value(l.name, *l.limit))
		}
	}
	if o.Share != nil && o.Shared() {
		e.Elements = append(e.Elements, value("ClusterUsage", o.Cluster.Used), value("Refused", o.Refused))
		e.Elements = append(e.Elements, xRefusals(o.Refusals)...)
		e.Elements = append(e.Elements, xShare(*o.Share)...)
	}
	return e
}

// subzoneElements are the subzones that are always there, as they are called here.
var subzoneElements = map[string]string{
	config.DefaultSubzoneName:   "DefaultSubZone",
	config.TraversalSubzoneName: "TraversalSubZone",
	config.ClusterSubzoneName:   "ClusterSubZone",
}

// xLocalZone is the Local Zone: the subzones that are always there, then the others.
func xLocalZone(r occupancy.Report) cli.Element {
	e := branch("LocalZone")
	others := 0
	for _, o := range r.Objects {
		if o.Kind != bandwidth.AtSubzone.String() {
			continue
		}
		name := subzoneElements[o.Name]
		if name == "" {
			others++
			name = "SubZone " + strconv.Itoa(others)
		}
		e.Elements = append(e.Elements, branch(name, xObject(o)...))
	}
	return e
}

// xZones lists the zones. The Local Zone has its bandwidth by subzone.
func xZones(list []routing.ZoneSummary, r occupancy.Report) []cli.Element {
	used := map[string]occupancy.Object{}
	for _, o := range r.Objects {
		if o.Kind == bandwidth.AtZone.String() {
			used[o.Name] = o
		}
	}
	out := []cli.Element{xLocalZone(r)}
	for i, z := range list {
		e := branch("Zone "+strconv.Itoa(i+1), value("Name", z.Name), value("Type", z.Type), value("Status", z.Status))
		if o, known := used[z.Name]; known {
			e.Elements = append(e.Elements, value("Calls", o.Calls), xUsed(o))
		}
		for j, p := range z.Peers {
			peer := branch("Peer "+strconv.Itoa(j+1), value("Address", p.Address), value("Status", p.Status))
			if p.Free != nil {
				peer.Elements = append(peer.Elements, value("FreeMediaSessions", *p.Free))
			}
			e.Elements = append(e.Elements, peer)
		}
		out = append(out, e)
	}
	return out
}

// xCheckBandwidth is CheckBandwidth of facts A1.5.
func (n *node) xCheckBandwidth() cli.Command {
	return cli.Command{
		Name: "CheckBandwidth", Text: "Says what a call between two nodes would get, and by which way. Nothing is changed.",
		Params: []cli.Param{
			{Name: "Node1", Kind: config.Text(1, 50), Required: true, Text: "Subzone or zone of the caller."},
			{Name: "Node2", Kind: config.Text(1, 50), Required: true, Text: "Subzone or zone of who is called."},
			{Name: "Bandwidth", Kind: config.Integer(1, bandwidth.MaxKbps), Required: true, Text: "What the call asks for, in kbit/s."},
			{Name: "CallType", Kind: config.Words("traversal=Traversal", "nontraversal=NonTraversal"), Required: true, Text: "Whether its media passes the node."},
		},
		Run: func(_ context.Context, args map[string]string, _ cli.Caller) ([]cli.Element, error) {
			kbps, _ := strconv.ParseUint(args["Bandwidth"], 10, 32) // it was checked
			a, err := n.CheckBandwidth(occupancy.Question{
				Node1: args["Node1"], Node2: args["Node2"], Kbps: uint32(kbps), Traversal: strings.EqualFold(args["CallType"], "traversal"),
			})
			if err != nil {
				return nil, fmt.Errorf("xCommand CheckBandwidth: %w", err)
			}
			return checkElements(a), nil
		},
	}
}

func checkElements(a occupancy.Answer) []cli.Element {
	out := []cli.Element{value("Result", string(a.Result)), value("Bandwidth", a.Kbps)}
	for _, why := range []struct{ name, text string }{{"Reason", a.Reason}, {"Object", a.At}, {"Detail", a.Detail}} {
		if why.text != "" {
			out = append(out, value(why.name, why.text))
		}
	}
	if a.AtOnce != nil {
		out = append(out, value("AtOnce", *a.AtOnce))
	}
	route := branch("Route")
	for i, node := range a.Nodes {
		if i > 0 && i <= len(a.Links) {
			route.Elements = append(route.Elements, value("Link", a.Links[i-1]))
		}
		route.Elements = append(route.Elements, value("Node", node))
	}
	return append(out, route)
}
