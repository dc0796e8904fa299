package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/dialplan"
	"turnpike.dev/turnpike/control/eventlog"
	"turnpike.dev/turnpike/control/resources"
	"turnpike.dev/turnpike/control/routing"
	"turnpike.dev/turnpike/control/zones"
	"turnpike.dev/turnpike/licensing"
)

// office is the node file of docs/routing.md.
const office = "../../control/routing/testdata/office.yaml"

// cannedHealth is how the branch of the office is.
type cannedHealth struct{}

func (cannedHealth) Peer(z *zones.Zone, i int) zones.PeerState {
	switch z.Name {
	case "branch":
		return []zones.PeerState{{Known: true, Free: 12}, {Known: true, Free: 80}, {Known: true, Free: 100, Maintenance: true}}[i]
	case "core":
		return zones.PeerState{Silent: true}
	}
	return zones.PeerState{}
}

func cannedRouter() *routing.Router {
	n, err := config.Load(office)
	if err != nil {
		panic(err)
	}
	r, err := routing.New(n, routing.Surroundings{})
	if err != nil {
		panic(err)
	}
	r.Connect(dialplan.Network{
		Registrations: supposed{
			"1234@example.com": {ID: 1, Protocol: dialplan.SIP, Contact: "10.0.0.13:5060"},
			"bob@example.com":  {ID: 2, Protocol: dialplan.H323, Peer: 2, Contact: "10.0.0.12:1720"},
		},
		Health: cannedHealth{},
	})
	return r
}

func (n *cannedNode) Locate(q routing.Question) (routing.Answer, error) { return cannedRouter().Ask(q) }

func (n *cannedNode) Zones() []routing.ZoneSummary { return cannedRouter().Summaries() }

// TestLocateOutput holds what the commands that explain routing print. // RG-06
func TestLocateOutput(t *testing.T) {
	state := serveCanned(t, newCanned())
	tests := []struct {
		name string
		args []string
		code int
	}{
		{"locate", []string{"locate", "1234"}, 0},
		{"locate_all", []string{"locate", "carol@branch.example.com", "--all"}, 0},
		{"locate_peer", []string{"locate", "sip:Bob@Example.com", "--source-zone", "branch"}, 0},
		{"locate_denied", []string{"locate", "+900123456"}, 1},
		{"locate_guest", []string{"locate", "dave@example.org", "--source-zone", "DefaultZone", "--authenticated=false"}, 1},
		{"locate_unreachable", []string{"locate", "+12015550123", "--protocol", "h323"}, 1},
		{"locate_file", []string{"locate", "alice@example.com", "-c", office, "--registered", "alice@example.com"}, 0},
		{"check_pattern", []string{"check", "pattern", "12@old.example", `(.*)@old\.example`, "--type", "regex", "--behavior", "replace", "--replace", `\1@new.example`}, 0},
		{"check_pattern_none", []string{"check", "pattern", "123", `\d{4}`, "--type", "regex"}, 1},
		{"zone_list", []string{"zone", "list"}, 0},
		{"zone_status", []string{"zone", "status"}, 3},
		{"zone_status_one", []string{"zone", "status", "branch"}, 0},
	}
	for _, test := range tests {
		for _, format := range []string{"table", "json"} {
			t.Run(test.name+"_"+format, func(t *testing.T) {
				var out bytes.Buffer
				err := run(t.Context(), append(test.args, "--state", state, "-o", format), &out)
				if code := exitCode(err); code != test.code {
					t.Errorf("exit code %d, want %d: %v", code, test.code, err)
				}
				golden(t, filepath.Join("routing", test.name+"."+format), out.String())
			})
		}
	}
}

func TestLocateErrors(t *testing.T) {
	state := serveCanned(t, newCanned())
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("system: {name: a}\nsearch_rules: [{name: x, target: nowhere}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, args string
		code       int
		want       string
	}{
		{"zone", "locate 1 --source-zone nowhere", 1, "turnpike zone list"},
		{"protocol", "locate 1 --protocol mgcp", 1, "want sip or h323"},
		{"hop count", "locate 1 --hop-count 999", 1, "want 0 to 255"},
		{"registered without a file", "locate 1 --registered a", 2, "add -c FILE"},
		{"file", "locate 1 -c " + bad, 1, "nowhere"},
		{"pattern's type", "check pattern a b --type glob", 2, "want exact, prefix, suffix or regex"},
		{"pattern's group", `check pattern a a --type regex --behavior replace --replace \1`, 2, `group \1`},
		{"no such zone", "zone status nowhere", 1, "turnpike zone list"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := run(t.Context(), append(strings.Fields(test.args), "--state", state), &bytes.Buffer{})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want something with %q", err, test.want)
			}
			if code := exitCode(err); code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
		})
	}
}

// TestRulesChangeWhileANodeRuns: a stored change is in force when its proposer reads
// that it is.
func TestRulesChangeWhileANodeRuns(t *testing.T) {
	text, err := os.ReadFile(office)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "node.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(string(text))
	n := storedNode(t, file, t.TempDir())
	q := routing.Question{Alias: "carol@branch.example.com", Authenticated: true, HopCount: 15}
	if a, err := n.Locate(q); err != nil || a.Targets[0].Zone != "branch" {
		t.Fatalf("%+v, %v", a, err)
	}
	write(strings.Replace(string(text), "target: branch", "target: core", 1))
	if _, err := n.Reload(); err != nil {
		t.Fatal(err)
	}
	if a, err := n.Locate(q); err != nil || a.Targets[0].Zone != "core" {
		t.Errorf("%+v, %v", a, err)
	}
}

// storedNode is a node as far as configuration goes.
func storedNode(t *testing.T, file, dir string) *node {
	t.Helper()
	cfg, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	log, err := eventlog.New(eventlog.Config{})
	if err != nil {
		t.Fatal(err)
	}
	state := &stateDir{path: dir}
	told, err := openAlarms(state, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = told.Close() })
	stored, err := openStore(state, told, log)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := settle(stored, file, cfg); err != nil {
		t.Fatal(err)
	}
	n := newNode(cfg, file, state, nil, log)
	n.board = told
	if err := errors.Join(n.follow(stored), n.route(stored)); err != nil {
		t.Fatal(err)
	}
	if n.resources, err = resources.New(cfg, licensing.Installed{}, resources.Deps{}); err != nil {
		t.Fatal(err)
	}
	return n
}
