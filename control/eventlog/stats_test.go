package eventlog

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// full is a disk without space.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

// AL-02: what was not written is counted.
func TestStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := newLog(t, Config{})
		m := l.Module("m")
		for range burst + 3 {
			m.Warn("Scan")
		}
		m.Event("x")
		m.Debug("below the level")
		want := Stats{Written: map[string]uint64{"debug": 0, "info": 1, "warn": burst, "error": 0}, Held: 3}
		if diff := cmp.Diff(want, m.Stats()); diff != "" {
			t.Error(diff)
		}
		time.Sleep(2 * time.Second) // ends the flood window
	})
}

func TestStatsOfAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, err := New(Config{Out: full{}})
		if err != nil {
			t.Fatal(err)
		}
		l.Event("x")
		if s := l.Stats(); s.Failed != 1 || s.Written["info"] != 0 {
			t.Errorf("%+v", s)
		}
		time.Sleep(2 * time.Second)
	})
	var none *Log
	if s := none.Stats(); s.Written != nil {
		t.Errorf("%+v", s)
	}
}
