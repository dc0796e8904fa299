package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"turnpike.dev/turnpike/control/alarms"
	"turnpike.dev/turnpike/control/api"
)

func (n *cannedNode) Alarms() []alarms.Alarm {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return []alarms.Alarm{
		{Number: 20004, Key: "peer2", UUID: "u1", Severity: alarms.Warning, Title: "Cluster communication failure", Detail: "10.0.0.2 is silent", State: alarms.Raised, First: at, Last: at, Times: 1},
		{Number: 20006, Key: "peer2", UUID: "u2", Severity: alarms.Warning, Title: "Cluster database communication failure", Detail: "no rows", State: alarms.Raised, First: at, Last: at, Times: 1, Behind: 20004},
		{Number: 25001, UUID: "u3", Severity: alarms.Warning, Title: "Restart required", Detail: "turn.port\x1b[31m", State: alarms.Acknowledged, By: "ann", First: at, Last: at, Times: 3},
		{Number: 40068, Key: "server", UUID: "u4", Severity: alarms.Critical, Title: "Certificate expired", Detail: "expired", State: alarms.Lowered, First: at, Last: at.Add(time.Hour), Times: 1},
	}
}

func (n *cannedNode) AcknowledgeAlarm(uuid, _ string) error {
	if strings.HasPrefix(uuid, "u") {
		return nil
	}
	return alarms.ErrNoAlarm
}

// TestAlarmOutput holds what the commands print. // AL-01
func TestAlarmOutput(t *testing.T) {
	state := serveCanned(t, newCanned())
	tests := []struct {
		name, args string
		code       int
	}{
		{"list", "alarm list", 3},
		{"list_all", "alarm list --all", 3},
		{"show", "alarm show 20006", 0},
		{"ack", "alarm ack 20004", 0},
		{"ack_all", "alarm ack --all", 0},
	}
	for _, test := range tests {
		for _, format := range []string{"table", "json"} {
			t.Run(test.name+"_"+format, func(t *testing.T) {
				var out bytes.Buffer
				err := run(t.Context(), append(strings.Fields(test.args), "--state", state, "-o", format), &out)
				if code := exitCode(err); code != test.code {
					t.Errorf("exit code %d, want %d: %v", code, test.code, err)
				}
				golden(t, filepath.Join("alarms", test.name+"."+format), out.String())
			})
		}
	}
	for name, test := range map[string]struct {
		args string
		code int
	}{
		"none of this number":   {"alarm ack 40068", 1},
		"neither names nor all": {"alarm ack", 2},
		"no such number":        {"alarm show 1", 2},
	} {
		if err := run(t.Context(), append(strings.Fields(test.args), "--state", state), &bytes.Buffer{}); exitCode(err) != test.code {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRestartRequired: what waits for a restart raises 25001, and 30025 where the node
// becomes another; taking it back lowers it,
// and so does the restart. // AL-01
func TestRestartRequired(t *testing.T) {
	file := filepath.Join(t.TempDir(), "node.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(reloadFile)
	state := t.TempDir()
	n := storedNode(t, file, state)
	reload := func(text, want string) {
		t.Helper()
		write(text)
		if _, err := n.Reload(); err != nil {
			t.Fatal(err)
		}
		got := "nothing"
		for _, a := range n.standing() {
			got = fmt.Sprintf("%d %s", a.Number, a.Detail)
		}
		if !strings.HasPrefix(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	changed := strings.Replace(reloadFile, "3478", "3479", 1)
	reload(changed, "25001 1 items")
	reload(reloadFile, "nothing")
	reload(strings.Replace(reloadFile, "{name: ", "{platform: Small, name: ", 1), "30025 1 items")
	reload(reloadFile, "nothing")
	reload(changed, "25001 1 items")

	if err := n.board.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := openAlarms(&stateDir{path: state}, n.log)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = again.Close() }()
	for _, a := range again.List() {
		if a.Stands() {
			t.Errorf("after a restart: %+v", a)
		}
	}
}

// TestRelayCapacity: near the limit and at it an alarm each, and none below. // CA-04
func TestRelayCapacity(t *testing.T) {
	file := filepath.Join(t.TempDir(), "node.yaml")
	if err := os.WriteFile(file, []byte(reloadFile), 0o600); err != nil {
		t.Fatal(err)
	}
	n := storedNode(t, file, t.TempDir())
	for _, step := range []struct {
		used int
		want string
	}{{0, "[]"}, {89, "[]"}, {90, "[30005]"}, {100, "[30024]"}, {99, "[30005]"}, {10, "[]"}} {
		n.tellCapacity(api.Usage{Used: step.used, Limit: 100})
		got := []int{}
		for _, a := range n.standing() { // 30024 explains 30005
			got = append(got, a.Number)
		}
		if fmt.Sprint(got) != step.want {
			t.Errorf("%d of 100: %v, want %s", step.used, got, step.want)
		}
	}
	n.tellCapacity(api.Usage{}) // TURN is off
	if list := n.standing(); len(list) > 0 {
		t.Errorf("%+v", list)
	}
}
