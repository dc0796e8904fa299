package turn

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/pion/stun/v3"
)

func sample(id uint64) record {
	return record{
		ID: id, User: "u", Client: clientAddr, Server: serverAddr,
		Transaction: bytes.Repeat([]byte{7}, 12), Granted: 600,
		Relays: []relayRecord{{
			Local: netip.AddrPortFrom(relayAddr, 24001), Expires: 1e12,
			Permissions: []permissionRecord{{Peer: peerAddr.Addr(), Expires: 2e12}},
			Channels:    []channelRecord{{Number: 0x4000, Peer: peerAddr, Expires: 3e12}},
		}},
	}
}

var compareRecords = cmp.Options{cmpopts.EquateComparable(netip.AddrPort{}, netip.Addr{})}

func TestJournalReadsWhatItWrote(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "turn.journal")
	j, _, err := createJournal(path, "boot", 3, []record{sample(1)})
	if err != nil {
		t.Fatal(err)
	}
	changed := sample(1)
	changed.Relays[0].Expires = 5e12
	for _, r := range []record{sample(2), changed, sample(9), {ID: 2, Gone: true}} {
		if _, err := j.append(r); err != nil {
			t.Fatal(err)
		}
	}
	j.close()
	got, err := loadJournal(path, "boot")
	if err != nil {
		t.Fatal(err)
	}
	want := contents{lastID: 9, records: map[uint64]record{1: changed, 9: sample(9)}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(contents{}), compareRecords); diff != "" {
		t.Errorf("contents (-want +got):\n%s", diff)
	}
	if got, _ := loadJournal(path, "another boot"); len(got.records) != 0 {
		t.Errorf("records of another boot: %v", got.records)
	}
}

func TestDamagedJournal(t *testing.T) {
	whole := string(appendLine(appendLine(appendLine(nil, record{Boot: "boot"}), sample(1)), sample(2)))
	lines := strings.SplitAfter(whole, "\n")
	for _, tt := range []struct {
		name, text string
		want       []uint64
		damaged    int
	}{
		{"whole", whole, []uint64{1, 2}, 0},
		{"torn tail", whole[:len(whole)-10], []uint64{1}, 1},
		{"torn checksum", lines[0] + lines[1] + lines[2][:4], []uint64{1}, 1},
		{"torn, then written on", lines[0] + lines[1][:20] + "\n" + lines[2], []uint64{2}, 1},
		{"a bit flipped", lines[0] + strings.Replace(lines[1], "40000", "40001", 1) + lines[2], []uint64{2}, 1},
		{"no header", lines[1] + lines[2], nil, 0},
		{"empty", "", nil, 0},
		{"something else", "not a journal\n" + lines[1], nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := readJournal(strings.NewReader(tt.text), "boot")
			if err != nil {
				t.Fatal(err)
			}
			if len(got.records) != len(tt.want) || got.damaged != tt.damaged {
				t.Errorf("%d records, %d damaged; want %v and %d", len(got.records), got.damaged, tt.want, tt.damaged)
			}
			for _, id := range tt.want {
				if _, ok := got.records[id]; !ok {
					t.Errorf("record %d is missing", id)
				}
			}
		})
	}
}

// The journal holds no keys.
func TestJournalHoldsNoSecrets(t *testing.T) {
	journal := withJournal(t)
	w := newWorld(t, func(c *Config) { journal(c); c.Secrets = []string{"open sesame"} })
	c := w.client()
	c.pass = timeLimitedPassword("open sesame", "9999999999:alice")
	c.user = "9999999999:alice"
	c.allocate()
	text, err := os.ReadFile(edited(journal).JournalPath)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{c.pass, "open sesame", string(c.key())} {
		if bytes.Contains(text, []byte(secret)) {
			t.Errorf("journal holds %q", secret)
		}
	}
	if !bytes.Contains(text, []byte("9999999999:alice")) {
		t.Error("journal does not hold the allocation")
	}
}

func TestJournalIsCompacted(t *testing.T) {
	journal := withJournal(t)
	w := newWorld(t, journal)
	c := w.client()
	c.allocate()
	for range 1000 {
		c.must(stun.MethodRefresh)
	}
	path := edited(journal).JournalPath
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > compactSlack+4096 {
		t.Errorf("journal of one allocation has %d bytes", info.Size())
	}
	if c, err := loadJournal(path, bootID()); err != nil || len(c.records) != 1 {
		t.Errorf("compacted journal: %d records, error %v", len(c.records), err)
	}
	if left, _ := filepath.Glob(path + ".*"); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// A journal that cannot be written is told of, and serves on.
func TestJournalThatCannotBeWritten(t *testing.T) {
	w := newWorld(t, withJournal(t))
	w.server.mu.Lock()
	w.server.journal.close()
	w.server.mu.Unlock()
	w.client().allocate()
}

// restarted makes the process die without a word and start again.
func (w *world) restarted(cfg Config) {
	w.t.Helper()
	w.server.mu.Lock()
	w.server.closed = true
	w.server.mu.Unlock()
	w.crash()
	w.stop()
	w.start(cfg)
}

// ME-06: clients over UDP notice nothing.
func TestRestoreAfterKill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		journal := withJournal(t)
		w := &world{network: newNetwork(t), mono: func() int64 { return time.Now().UnixNano() }}
		w.start(edited(journal))
		defer func() { w.stop() }()
		c := w.client()
		c.challenge()
		m := c.sign(message(stun.MethodAllocate, stun.ClassRequest, udpTransport(), bothFamilies(), lifetime(1800)))
		first := c.exchange(m)
		x := relayedOf(first)
		c.bind(0x4000, peerAddr)
		c.permit(peer6Addr)
		later(2 * time.Minute)
		before := w.server.Allocations()

		w.restarted(edited(journal))
		if w.restored != 1 {
			t.Fatalf("%d allocations taken over, want 1", w.restored)
		}
		ignoreID := cmpopts.IgnoreFields(Channel{}, "PairID")
		if diff := cmp.Diff(before, w.server.Allocations(), compareRecords, ignoreID); diff != "" {
			t.Errorf("allocations (-before +after):\n%s", diff)
		}
		c.channelData(0x4000, "up")
		w.send(peerAddr, x[0], []byte("down"), metaNone)
		w.send(peer6Addr, x[1], []byte("down6"), metaNone)
		if got := w.payloads(peerAddr); len(got) != 1 {
			t.Errorf("peer received %q", got)
		}
		if got := w.payloads(clientAddr); len(got) != 2 || w.relayed != 2 {
			t.Errorf("client received %q, %d by flows", got, w.relayed)
		}
		if diff := cmp.Diff(relayedOf(first), relayedOf(c.exchange(m)), compareRecords); diff != "" {
			t.Errorf("retransmitted Allocate (-first +now):\n%s", diff)
		}
		later(3 * time.Minute)
		if h := w.holds(); h.Permits != 0 || h.Pairs != 0 {
			t.Errorf("permissions did not end when they had to: %+v", h)
		}
		c.must(stun.MethodRefresh)
		other := w.client()
		other.addr = withPort(clientAddr, 1)
		other.allocate()
		if ids := w.server.Allocations(); ids[1].ID != 2 {
			t.Errorf("next id is %d, want 2", ids[1].ID)
		}
	})
}

func TestWhatIsNotRestored(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(*Config)
		prep func(*world, netip.AddrPort)
		wait time.Duration
	}{
		{name: "user is gone", edit: func(c *Config) { c.Users = nil }},
		{name: "listener is gone", edit: func(c *Config) { c.Listen = c.Listen[1:] }},
		{name: "relay address is gone", edit: only6},
		{name: "port is outside the range", edit: func(c *Config) { c.PortMin, c.PortMax = 25000, 25001 }},
		{name: "port is taken", prep: func(w *world, x netip.AddrPort) { w.taken[x] = true }},
		{name: "time is over", wait: 11 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				journal := withJournal(t)
				w := &world{network: newNetwork(t), mono: func() int64 { return time.Now().UnixNano() }}
				w.start(edited(journal))
				defer func() { w.stop() }()
				x := w.client().allocate()[0]
				w.server.mu.Lock()
				w.server.closed = true
				w.server.mu.Unlock()
				w.crash()
				w.stop()
				if tt.prep != nil {
					tt.prep(w, x)
				}
				time.Sleep(tt.wait)
				cfg := edited(journal)
				if tt.edit != nil {
					tt.edit(&cfg)
				}
				w.start(cfg)
				if h := w.holds(); w.restored != 0 || h.Ports != len(cfg.Listen) || h.Sockets != len(cfg.Listen) {
					t.Errorf("%d taken over, the node holds %+v", w.restored, h)
				}
				if c, err := loadJournal(cfg.JournalPath, bootID()); err != nil || len(c.records) != 0 || c.lastID != 1 {
					t.Errorf("journal after it: %+v, %v", c, err)
				}
			})
		})
	}
}

func TestRestoreOfTimeLimitedUsers(t *testing.T) {
	journal := withJournal(t)
	w := newWorld(t, journal)
	c := w.client()
	c.user = "9999999999:alice"
	c.pass = timeLimitedPassword("secret", c.user)
	c.allocate()
	w.restarted(edited(func(c *Config) { journal(c); c.Secrets = []string{"another", "secret"} }))
	if w.restored != 1 {
		t.Error("not taken over, though its secret is still there")
	}
	c.must(stun.MethodRefresh)
	w.restarted(edited(func(c *Config) { journal(c); c.Secrets = []string{"another"} }))
	if w.restored != 0 {
		t.Error("taken over, though its secret is gone")
	}
}

// SIGTERM: flows stay, and so does the journal.
func TestStopLeavesFlowsAndJournal(t *testing.T) {
	journal := withJournal(t)
	w := newWorld(t, journal)
	c := w.client()
	x := c.allocate()[0]
	c.bind(0x4000, peerAddr)
	w.stop()
	if h := w.holds(); h.Pairs != 1 || h.Permits != 1 || h.Sockets != 0 {
		t.Errorf("after the stop the node holds %+v", h)
	}
	w.crash()
	w.start(edited(journal))
	if !w.isOpen(x) || w.restored != 1 {
		t.Error("not taken over")
	}
}
