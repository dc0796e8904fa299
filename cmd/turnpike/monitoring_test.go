package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"turnpike.dev/turnpike/control/metrics"
)

// query is an expression of the dashboard or the rules, and what it is shown with.
type query struct{ where, expr, legend string }

// queries returns all there are.
func queries(t *testing.T) (list []query) {
	t.Helper()
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr, LegendFormat string }
		}
		Annotations struct {
			List []struct{ Name, Expr, TitleFormat string }
		}
		Templating struct {
			List []struct{ Name, Definition string }
		}
	}
	readInto(t, "../../deploy/grafana/turnpike.json", json.Unmarshal, &dashboard)
	for _, p := range dashboard.Panels {
		for _, q := range p.Targets {
			list = append(list, query{"panel " + p.Title, q.Expr, q.LegendFormat})
		}
	}
	for _, a := range dashboard.Annotations.List {
		list = append(list, query{"annotation " + a.Name, a.Expr, a.TitleFormat})
	}
	for _, v := range dashboard.Templating.List {
		list = append(list, query{"variable " + v.Name, v.Definition, ""})
	}
	for _, r := range alertRules(t) {
		list = append(list, query{"rule " + r.Alert + r.Record, r.Expr, r.Annotations["summary"]})
	}
	return list
}

type alertRule struct {
	Alert, Record, Expr string
	Annotations         map[string]string
}

func alertRules(t *testing.T) (list []alertRule) {
	t.Helper()
	var rules struct{ Groups []struct{ Rules []alertRule } }
	readInto(t, "../../deploy/prometheus/turnpike.rules.yml", func(b []byte, v any) error { return yaml.Unmarshal(b, v) }, &rules)
	for _, g := range rules.Groups {
		list = append(list, g.Rules...)
	}
	return list
}

func readInto(t *testing.T, file string, decode func([]byte, any) error, v any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err == nil {
		err = decode(text, v)
	}
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

var (
	selector    = regexp.MustCompile(`([a-z][a-z_:0-9]*_[a-z_:0-9]*)(\{[^}]*\})?`)
	matcher     = regexp.MustCompile(`([a-z_]+)(=~|!~|!=|=)"([^"]*)"`)
	grouping    = regexp.MustCompile(`\b(?:by|without) \(([^)]*)\)`)
	legendLabel = regexp.MustCompile(`\{\{ ?(?:\$labels\.)?([a-z_]+) ?\}\}`)
)

// What a scrape adds, and what PromQL and Grafana have of their own.
var notOurs = []string{"label_values", "histogram_quantile", "job", "instance", "le"}

// Every metric and label that the dashboard and the rules use is one that a node gives out.
func TestDashboardAndRulesAskForWhatThereIs(t *testing.T) {
	s := play(t)
	mustTalk(t, s.mustOpen(t), 50)
	values := map[string]map[string][]string{} // metric, label, its values
	for _, one := range s.scrape(t) {
		if values[one.name] == nil {
			values[one.name] = map[string][]string{}
		}
		for l, v := range one.labels {
			values[one.name][l] = append(values[one.name][l], v)
		}
	}
	ours := map[string][]string{"up": nil}
	for _, f := range metrics.Families() {
		ours[f.Name] = f.Labels
		if f.Kind == "histogram" {
			ours[f.Name+"_bucket"], values[f.Name] = f.Labels, values[f.Name+"_bucket"]
		}
		// A reason for refusing a connection is only there when one was refused, an object
		// when its bandwidth is limited, and a peer in a cluster.
		rare := strings.HasSuffix(f.Name, "_connections_refused_total") || slices.Contains(f.Labels, "object") || slices.Contains(f.Labels, "peer")
		if values[f.Name] == nil && !rare {
			t.Errorf("a node does not give out %s", f.Name)
		}
	}
	recorded := map[string]bool{}
	for _, r := range alertRules(t) {
		recorded[r.Record] = r.Record != ""
	}
	for _, q := range queries(t) {
		labels := slices.Clone(notOurs)
		bare := strings.ReplaceAll(grouping.ReplaceAllString(q.expr, ""), "$__rate_interval", "")
		for _, m := range selector.FindAllStringSubmatch(bare, -1) {
			switch family, ok := ours[m[1]]; {
			case slices.Contains(notOurs, m[1]):
			case recorded[m[1]]:
				labels = append(labels, "interface")
			case !ok && values[m[1]] == nil:
				t.Errorf("%s asks for %s, which no node has", q.where, m[1])
			default:
				labels = append(labels, family...)
				judgeMatchers(t, q.where, m, family, values[m[1]])
			}
		}
		for _, g := range grouping.FindAllStringSubmatch(q.expr, -1) {
			for l := range strings.SplitSeq(g[1], ",") {
				if !slices.Contains(labels, strings.TrimSpace(l)) {
					t.Errorf("%s groups by %s, which none of its metrics has", q.where, l)
				}
			}
		}
		for _, l := range legendLabel.FindAllStringSubmatch(q.legend, -1) {
			if !slices.Contains(labels, l[1]) {
				t.Errorf("%s shows %s, which none of its metrics has", q.where, l[1])
			}
		}
	}
}

// judgeMatchers holds the labels of a selector to those of the metric, and what is asked of
// reasons, paths and verdicts to what a node says.
func judgeMatchers(t *testing.T, where string, selector, family []string, values map[string][]string) {
	t.Helper()
	for _, m := range matcher.FindAllStringSubmatch(selector[2], -1) {
		label, wanted := m[1], m[3]
		if slices.Contains(notOurs, label) {
			continue
		}
		if !slices.Contains(family, label) {
			t.Errorf("%s asks %s for the label %s, which it has not", where, selector[1], label)
		}
		if !slices.Contains([]string{"reason", "path", "verdict", "way", "direction", "why", "severity", "state"}, label) {
			continue
		}
		for v := range strings.SplitSeq(wanted, "|") {
			if !slices.Contains(values[label], v) {
				t.Errorf("%s asks for %s{%s=%q}, which no node says", where, selector[1], label, v)
			}
		}
	}
}

// What a runbook says to run can be run.
func TestRunbooksNameCommandsThatExist(t *testing.T) {
	root := newRoot(&bytes.Buffer{})
	for _, r := range alertRules(t) {
		if r.Alert == "" {
			continue
		}
		named := 0
		for part := range strings.SplitSeq(r.Annotations["runbook"], ";") {
			args := strings.Fields(part)
			if args[0] != "turnpike" {
				continue
			}
			named++
			found, rest, err := root.Find(args[1:])
			if err == nil {
				err = found.ParseFlags(rest)
			}
			if err == nil && (found == root || found.HasSubCommands()) {
				err = fmt.Errorf("%s does nothing by itself", found.CommandPath())
			}
			if err != nil {
				t.Errorf("%s says %q: %v", r.Alert, part, err)
			}
		}
		if named == 0 && !strings.Contains(r.Annotations["runbook"], "journalctl") {
			t.Errorf("%s names no command", r.Alert)
		}
	}
}
