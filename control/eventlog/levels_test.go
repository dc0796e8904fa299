package eventlog

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// AL-02
func TestModulesHaveTheirOwnLevels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, out := newLog(t, Config{Level: "warn", Modules: map[string]string{"dataplane": "info", "dataplane.turn": "debug", "control.zones": "error"}})
		for _, module := range []string{"dataplane.turn", "dataplane.xdp", "dataplanes", "control.zones", "control"} {
			m := l.Module(module)
			m.Debug(module + " debug")
			m.Event(module + " info")
			m.Warn(module + " warn")
			m.Error(module + " error")
		}
		var got []string
		for _, line := range strings.Split(strings.TrimSpace(out.String()), "\n") {
			fields, err := Parse(line)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, fields[3].Value)
		}
		want := []string{
			"dataplane.turn debug", "dataplane.turn info", "dataplane.turn warn", "dataplane.turn error",
			"dataplane.xdp info", "dataplane.xdp warn", "dataplane.xdp error",
			"dataplanes warn", "dataplanes error", "control.zones error", "control warn", "control error",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		time.Sleep(time.Second) // the flood's windows end
	})
}

func TestModuleLevelsChangeAsAWhole(t *testing.T) {
	l, _ := newLog(t, Config{Level: "warn"})
	if err := l.SetModuleLevels(map[string]string{"dataplane": "debug"}); err != nil {
		t.Fatal(err)
	}
	if err := l.SetModuleLevels(map[string]string{"control": "info", "dataplane": "loud"}); err == nil {
		t.Error("an unknown level was taken")
	}
	if err := l.SetLevel("fatal"); err == nil {
		t.Error("a level that no record has was taken")
	}
	node, modules := l.Levels()
	if diff := cmp.Diff(map[string]string{"dataplane": "debug"}, modules); node != "warn" || diff != "" {
		t.Errorf("%s, %s", node, diff)
	}
}
