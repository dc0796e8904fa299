package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/occupancy"
	"turnpike.dev/turnpike/control/sharing"
)

const clusterPage = "../../docs/cluster.md"

// pageShares is the first of two peers, as docs/cluster.md shows it: what it has is real, what the other has is told.
type pageShares struct{ cannedOccupancy }

func (c pageShares) Bandwidth() occupancy.Report {
	r := c.cannedOccupancy.Bandwidth()
	for i := range r.Objects {
		if o := &r.Objects[i]; o.Name == "lisbon line" {
			used := float64(o.GrantedKbps)
			o.Refused, o.Refusals = 2, sharing.Refusals{"no_answer": 2}
			o.Share = &sharing.Share{
				Policy: sharing.PolicyAvailable, State: sharing.StateShared,
				Here: sharing.Part{Total: 8000, Granted: 5500, Used: used}, Cluster: sharing.Part{Total: 8000, Granted: 7500, Used: used + 2000},
				Peers: []sharing.Holder{{Peer: "tp1", Own: true, Granted: 5500, Used: used}, {Peer: "tp2", Granted: 2000, Used: 2000, Waiting: true, Since: &waitsSince}},
			}
		}
	}
	r.Sharing = &sharing.Status{State: sharing.StateShared, Waited: sharing.Waited{Requests: 12, InVain: 3, Seconds: 2.4}}
	return r
}

// TestClusterPage runs the commands that docs/cluster.md shows with their output. -update writes it into the page.
func TestClusterPage(t *testing.T) {
	page, err := os.ReadFile(clusterPage)
	if err != nil {
		t.Fatal(err)
	}
	state := serveAPI(t, api.New(newCanned(), nil).Measure(pageShares{lentOffices(t)}))
	ran, blanks := 0, regexp.MustCompile(` +\n`)
	got := replaceAll(session, string(page), func(m []string) string {
		ran++
		var out bytes.Buffer
		if err := run(t.Context(), append([]string{"--state", state}, typed(m[2])...), &out); err != nil {
			t.Errorf("%s: %v", m[2], err)
		}
		return m[1] + strings.TrimRight(blanks.ReplaceAllString(out.String(), "\n"), "\n") + "\n" + m[4]
	})
	if ran != 2 {
		t.Fatalf("the page shows %d commands", ran)
	}
	if *update {
		if err := os.WriteFile(clusterPage, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(page), got); diff != "" {
		t.Errorf("-page +run:\n%s", diff)
	}
}

// typed are the words of a command line; what is in quotation marks is one.
func typed(line string) (out []string) {
	for i, part := range strings.Split(line, `"`) {
		if i%2 == 1 {
			out = append(out, part)
			continue
		}
		out = append(out, strings.Fields(part)...)
	}
	return out
}
