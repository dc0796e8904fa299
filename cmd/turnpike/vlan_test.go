package main

import (
	"bytes"
	"strings"
	"testing"
	"text/tabwriter"

	"turnpike.dev/turnpike/control/api"
)

// A VLAN's interface says by which device its frames go.
// ME-04
func TestStatusShowsVLANs(t *testing.T) {
	ifs := []api.Interface{
		{Name: "voice", Side: "internal", Addresses: []string{"198.51.100.1"}, Path: "xdp", Mode: "native", VLAN: 10, Under: "eth0", MTU: 1500},
		{Name: "eth1", Side: "external", Addresses: []string{"192.0.2.1"}, Path: "xdp", Mode: "native", MTU: 1500},
	}
	var status, dataplane bytes.Buffer
	for out, write := range map[*bytes.Buffer]func(*tabwriter.Writer){
		&status:    func(w *tabwriter.Writer) { writeStatus(w, api.Status{Interfaces: ifs}) },
		&dataplane: func(w *tabwriter.Writer) { writeDataplane(w, api.Dataplane{Interfaces: ifs}) },
	} {
		w := tabwriter.NewWriter(out, 0, 1, 1, ' ', 0)
		write(w)
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	for text, want := range map[string]string{
		status.String():    "voice internal path=xdp (native), VLAN 10 on eth0, 198.51.100.1",
		dataplane.String(): "voice path=xdp (native), VLAN 10 on eth0, driver (none), MTU 1500",
	} {
		if !strings.Contains(text, want) || strings.Count(text, "VLAN") != 1 {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
}
