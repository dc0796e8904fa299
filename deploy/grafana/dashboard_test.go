// Package grafana holds the dashboard, and the tests that it is sound. That every
// metric in it exists is shown by the tests of cmd/turnpike, which have a node.
package grafana

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

type source struct{ Type, UID string }

type panel struct {
	ID                       int
	Type, Title, Description string
	Datasource               *source
	GridPos                  struct{ H, W, X, Y int }
	FieldConfig              struct{ Defaults struct{ Unit string } }
	Targets                  []struct {
		Datasource  source
		Expr, RefID string
	}
}

func load(t *testing.T) (dashboard struct {
	UID, Title string
	Panels     []panel
	Templating struct{ List []struct{ Name, Type string } }
},
) {
	t.Helper()
	text, err := os.ReadFile("turnpike.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	return dashboard
}

func TestDashboardIsSound(t *testing.T) {
	d := load(t)
	if d.UID != "turnpike" || d.Title == "" || len(d.Panels) < 20 {
		t.Errorf("dashboard %q %q with %d panels", d.UID, d.Title, len(d.Panels))
	}
	variables := map[string]string{}
	for _, v := range d.Templating.List {
		variables[v.Name] = v.Type
	}
	if variables["datasource"] != "datasource" || variables["instance"] != "query" {
		t.Errorf("variables %v: the data source and the node must be for choosing", variables)
	}
	ids, titles := map[int]bool{}, map[string]bool{}
	for _, p := range d.Panels {
		if p.ID == 0 || ids[p.ID] {
			t.Errorf("panel %q: id %d is zero or another's too", p.Title, p.ID)
		}
		if p.Title == "" || titles[p.Title] {
			t.Errorf("panel %d: title %q is empty or another's too", p.ID, p.Title)
		}
		ids[p.ID], titles[p.Title] = true, true
		if p.Type != "row" {
			judge(t, p)
		}
	}
}

// judge holds a panel to what an operator needs to read it.
func judge(t *testing.T, p panel) {
	t.Helper()
	if !strings.HasSuffix(p.Description, ".") {
		t.Errorf("panel %q: description %q is no sentence", p.Title, p.Description)
	}
	if p.FieldConfig.Defaults.Unit == "" {
		t.Errorf("panel %q has no unit", p.Title)
	}
	want := source{"prometheus", "${datasource}"}
	if p.Datasource == nil || *p.Datasource != want {
		t.Errorf("panel %q has the data source %v", p.Title, p.Datasource)
	}
	refs := map[string]bool{}
	for _, q := range p.Targets {
		if q.Datasource != want || q.RefID == "" || refs[q.RefID] {
			t.Errorf("panel %q: query %q has the data source %v", p.Title, q.RefID, q.Datasource)
		}
		refs[q.RefID] = true
		if !strings.Contains(q.Expr, `instance=~"$instance"`) {
			t.Errorf("panel %q: %s is not of the chosen nodes", p.Title, q.Expr)
		}
	}
	if len(refs) == 0 {
		t.Errorf("panel %q asks nothing", p.Title)
	}
	if g := p.GridPos; g.W < 1 || g.H < 1 || g.X < 0 || g.X+g.W > 24 {
		t.Errorf("panel %q is at %+v", p.Title, g)
	}
}

// Panels that lie over each other are moved about by Grafana, and no two loads look the same.
func TestPanelsDoNotOverlap(t *testing.T) {
	taken := map[[2]int]string{}
	for _, p := range load(t).Panels {
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" && other != p.Title {
					t.Fatalf("panels %q and %q overlap", other, p.Title)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
}
