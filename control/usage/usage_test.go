package usage

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/rows"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var some = Usage{
	Calls: Amount{3, 500}, Registrations: Amount{20_000, 20_000}, Relays: Amount{7, 6000},
	TURN: TURN{
		Addrs: [sides][2]netip.Addr{
			{netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("2001:db8::1")}, {netip.MustParseAddr("10.0.0.1")},
		},
		Port: 3478, TLS: 5349, TCP: true, Free: 5993, FreeTLS: 940, IPv4: true, Domain: "tp1.example.test",
	},
}

// recorder is the cluster.
type recorder struct {
	mu  sync.Mutex
	put []rows.Row
}

func (r *recorder) Put(_ rows.Key, row rows.Row) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.put = append(r.put, row)
}

func TestPeersAreToldOfChangesOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		now, rec := some, &recorder{}
		table := New("a", func() Usage { mu.Lock(); defer mu.Unlock(); return now })
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _ = table.Run(ctx, rec) }()
		time.Sleep(10 * every)
		mu.Lock()
		now.Calls.Used++
		mu.Unlock()
		time.Sleep(10 * every)
		cancel()
		synctest.Wait()
		if len(rec.put) != 2 {
			t.Errorf("peers were told %d times, want 2", len(rec.put))
		}
	})
}

// CL-17
func TestOfEachPeer(t *testing.T) {
	table := New("a", func() Usage { return some })
	row := rows.Row{Value: encode(some)}
	table.Changed([]rows.Changed{
		{Key: Key("b"), Found: true, Owner: "b", Row: row},
		{Key: Key("c"), Found: true, Owner: "b", Row: row},
		{Key: Key("d"), Found: true, Owner: "d", Row: rows.Row{Value: "\x01"}},
		{Key: "u", Found: true, Owner: "d", Row: row},
	})
	for id, want := range map[string]bool{"a": true, "b": true, "c": false, "d": false} {
		u, ok := table.Of(cluster.ID(id))
		if ok != want || ok && u != some {
			t.Errorf("%s: %+v, %v", id, u, ok)
		}
	}
	table.Changed([]rows.Changed{{Key: Key("b")}})
	if _, ok := table.Of("b"); ok {
		t.Error("a lost peer has a usage")
	}
}

func TestFree(t *testing.T) {
	if d := cmp.Diff([]uint32{497, 0, 0}, []uint32{some.Calls.Free(), some.Registrations.Free(), Amount{5, 3}.Free()}); d != "" {
		t.Error(d)
	}
}

func TestRowsOfOtherVersionsAreRead(t *testing.T) {
	if u, err := decode(encode(some) + "new"); err != nil || u != some {
		t.Errorf("of a later one: %+v, %v", u, err)
	}
	untold := some
	untold.TURN = TURN{}
	before, _ := strings.CutSuffix(encode(untold), "\x00\x00\x00\x00\x00\x00")
	one, _ := strings.CutSuffix(encode(some), "\xac\x07") // the earlier one that did not tell what is free over TLS
	if u, err := decode(one); err != nil || u.TURN.FreeTLS != some.TURN.Free {
		t.Errorf("%d are free over TLS, %v", u.TURN.FreeTLS, err)
	}
	for what, row := range map[string]string{
		"of an earlier one":   before,
		"with an address cut": encode(some)[:30],
		"of everybody":        strings.Replace(encode(some), "\xc6\x33\x64\x01", "\xe0\x00\x00\x01", 1),
		"with unknown bits":   before + "\xff\x7f\x00\x00\x00",
	} {
		if u, err := decode(row); err != nil || u != untold {
			t.Errorf("%s: %+v, %v", what, u, err)
		}
	}
}

// Who has reason to is told of at once, and not with each reason.
func TestSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		now, rec := some, &recorder{}
		table := New("a", func() Usage { mu.Lock(); defer mu.Unlock(); return now })
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _ = table.Run(ctx, rec) }()
		synctest.Wait()
		told := func(want int, when string) {
			t.Helper()
			synctest.Wait()
			rec.mu.Lock()
			defer rec.mu.Unlock()
			if len(rec.put) != want {
				t.Errorf("%s: peers were told %d times, want %d", when, len(rec.put), want)
			}
		}
		change := func() {
			mu.Lock()
			now.Relays.Used++
			mu.Unlock()
			table.Soon()
		}
		told(1, "at the start")
		change()
		told(2, "at once")
		for range 20 {
			change()
		}
		told(2, "right after")
		time.Sleep(soonest)
		told(3, "after a rest")
		cancel()
		synctest.Wait()
	})
}

func FuzzDecode(f *testing.F) {
	f.Add(encode(some))
	f.Fuzz(func(t *testing.T, value string) {
		u, err := decode(value)
		if err != nil {
			return
		}
		if again, err := decode(encode(u)); err != nil || again != u {
			t.Errorf("%+v became %+v, %v", u, again, err)
		}
	})
}
