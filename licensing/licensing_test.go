package licensing_test

import (
	"crypto/ed25519"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"turnpike.dev/turnpike/licensing"
)

func issuer(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed([]byte(strings.Repeat(string(rune(seed)), ed25519.SeedSize)))
}

func public(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

func sign(t testing.TB, k licensing.Key) string {
	t.Helper()
	text, err := k.Sign(issuer('a'))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// LI-01
func TestKeys(t *testing.T) {
	until := licensing.LastDay(2027, time.December, 31)
	for name, k := range map[string]licensing.Key{
		"counted":   {Feature: licensing.RichMediaSession, Count: 100, Node: "4f1c-9e", Serial: "s1", Until: until},
		"perpetual": {Feature: licensing.DesktopSystem, Count: 250, Node: "4f1c-9e", Serial: "s1"},
		"feature":   {Feature: licensing.HSM, Count: 1, Node: "4f1c-9e", Serial: "s1"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := licensing.ParseKey(sign(t, k), public(issuer('b')), public(issuer('a')))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(k, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestKeysThatDoNotCount(t *testing.T) {
	good := sign(t, licensing.Key{Feature: licensing.RoomSystem, Count: 5, Node: "n", Serial: "s1"})
	cut := strings.LastIndexByte(good, '.')
	for name, tc := range map[string]struct {
		text string
		want error
	}{
		"more than it was signed for": {strings.Replace(good, ".5.", ".500.", 1), licensing.ErrSignature},
		"another node":                {strings.Replace(good, ".n.", ".m.", 1), licensing.ErrSignature},
		"a number written otherwise":  {strings.Replace(good, ".5.", ".05.", 1), licensing.ErrMalformed},
		"a feature that nobody knows": {strings.Replace(good, ".room.", ".moon.", 1), licensing.ErrMalformed},
		"two of what is on or off":    {strings.Replace(good, ".room.5.", ".hsm.2.", 1), licensing.ErrMalformed},
		"a day that is none":          {strings.Replace(good, "perpetual", "2027-02-30", 1), licensing.ErrMalformed},
		"a signature cut short":       {good[:len(good)-1], licensing.ErrMalformed},
		"no signature":                {good[:cut], licensing.ErrMalformed},
		"nothing":                     {"", licensing.ErrMalformed},
		"longer than a key":           {good + strings.Repeat("A", 300), licensing.ErrMalformed},
		"the next version":            {strings.Replace(good, "TPK1", "TPK2", 1), licensing.ErrMalformed},
		"none left":                   {strings.Replace(good, ".5.", ".0.", 1), licensing.ErrMalformed},
		"of somebody else":            {good, licensing.ErrSignature},
	} {
		t.Run(name, func(t *testing.T) {
			by := public(issuer('a'))
			if name == "of somebody else" {
				by = public(issuer('b'))
			}
			if _, err := licensing.ParseKey(tc.text, by); !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
		})
	}
}

func TestSignRefuses(t *testing.T) {
	for name, k := range map[string]licensing.Key{
		"no node":               {Feature: licensing.HSM, Count: 1, Serial: "s1"},
		"no serial":             {Feature: licensing.HSM, Count: 1, Node: "a"},
		"a serial with a dot":   {Feature: licensing.HSM, Count: 1, Node: "a", Serial: "s.1"},
		"a node with a dot":     {Feature: licensing.HSM, Count: 1, Node: "a.b", Serial: "s1"},
		"a time within the day": {Feature: licensing.HSM, Count: 1, Node: "a", Serial: "s1", Until: time.Date(2027, 1, 1, 5, 0, 0, 0, time.UTC)},
		"too many":              {Feature: licensing.RoomSystem, Count: 2_000_000, Node: "a", Serial: "s1"},
	} {
		t.Run(name, func(t *testing.T) {
			if text, err := k.Sign(issuer('a')); !errors.Is(err, licensing.ErrMalformed) {
				t.Errorf("signed %s, %v", text, err)
			}
		})
	}
}

func TestValid(t *testing.T) {
	k := licensing.Key{Feature: licensing.RoomSystem, Count: 5, Node: "n", Until: licensing.LastDay(2027, time.March, 31)}
	for name, tc := range map[string]struct {
		node string
		now  time.Time
		want error
	}{
		"its last second":    {"n", time.Date(2027, 3, 31, 23, 59, 59, 0, time.UTC), nil},
		"the day after":      {"n", time.Date(2027, 4, 1, 0, 0, 0, 0, time.UTC), licensing.ErrExpired},
		"on another machine": {"m", time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), licensing.ErrOtherNode},
	} {
		t.Run(name, func(t *testing.T) {
			if err := k.Valid(tc.node, tc.now); !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
		})
	}
}

// LI-02: four peers with 250+250+250+0 desktop and 100+100+50+0 RMS give 750 and 250.
func TestSumOverPeers(t *testing.T) {
	keys := func(desktop, rms int) []licensing.Key {
		return []licensing.Key{
			{Feature: licensing.DesktopSystem, Count: desktop, Node: "n"},
			{Feature: licensing.RichMediaSession, Count: rms, Node: "n"},
		}
	}
	peers := [][]licensing.Key{keys(250, 100), keys(250, 100), keys(250, 50), nil}
	var pool licensing.Pool
	for _, p := range peers {
		pool = pool.Add(licensing.Sum(p).Pool)
	}
	if diff := cmp.Diff(licensing.Pool{HalfRMS: 500, Desktop: 750}, pool); diff != "" {
		t.Error(diff)
	}
}

// LI-05
func TestSum(t *testing.T) {
	for name, tc := range map[string]struct {
		keys []licensing.Key
		want licensing.Installed
	}{
		"no key":            {nil, licensing.Installed{}},
		"a feature alone":   {[]licensing.Key{{Feature: licensing.HSM, Count: 1}}, licensing.Installed{Features: []licensing.Feature{licensing.HSM}}},
		"in the same order": {[]licensing.Key{{Feature: licensing.Interop, Count: 1}, {Feature: licensing.HSM, Count: 1}, {Feature: licensing.HSM, Count: 1}}, licensing.Installed{Features: []licensing.Feature{licensing.HSM, licensing.Interop}}},
		"counted":           {[]licensing.Key{{Feature: licensing.RoomSystem, Count: 3}, {Feature: licensing.RoomSystem, Count: 4}}, licensing.Installed{Pool: licensing.Pool{Room: 7}, Keyed: true}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, licensing.Sum(tc.keys)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestOnlySoManyKeysCount(t *testing.T) {
	keys := make([]licensing.Key, licensing.MaxKeys+1)
	for i := range keys {
		keys[i] = licensing.Key{Feature: licensing.RoomSystem, Count: 1}
	}
	if got := licensing.Sum(keys).Pool.Room; got != licensing.MaxKeys {
		t.Errorf("%d count, want %d", got, licensing.MaxKeys)
	}
}

// LI-04
func TestCost(t *testing.T) {
	ours, stranger, other := licensing.Party{Registered: true, SIP: true}, licensing.Party{Stranger: true, SIP: true}, licensing.Party{SIP: true}
	h323 := licensing.Party{}
	for name, tc := range map[string]struct {
		call licensing.Call
		half int
	}{
		"registered, media direct":           {licensing.Call{A: ours, B: ours}, 0},
		"registered, media through the node": {licensing.Call{A: ours, B: ours, Media: true, Connected: true, Streams: 2}, 0},
		"one not registered, setting up":     {licensing.Call{A: ours, B: other, Media: true, Streams: 1}, 2},
		"video":                              {licensing.Call{A: ours, B: other, Media: true, Connected: true, Streams: 2}, 2},
		"audio":                              {licensing.Call{A: ours, B: other, Media: true, Connected: true, Streams: 1}, 1},
		"audio, media direct":                {licensing.Call{A: ours, B: other, Connected: true, Streams: 1}, 1},
		"audio, one speaks H.323":            {licensing.Call{A: ours, B: h323, Media: true, Connected: true, Streams: 1}, 2},
		"no streams yet":                     {licensing.Call{A: ours, B: other, Connected: true}, 2},
		"a stranger to a registered one":     {licensing.Call{A: stranger, B: ours, Media: true, Connected: true, Streams: 3}, 2},
		"a stranger that claims to be registered": {
			licensing.Call{A: licensing.Party{Stranger: true, Registered: true, SIP: true}, B: ours, Connected: true, Streams: 1}, 1,
		},
		"between neighbours":                   {licensing.Call{A: other, B: other, Media: true, Connected: true, Streams: 2}, 2},
		"passed on by another peer":            {licensing.Call{A: ours, B: other, Beyond: true, Connected: true, Streams: 2}, 0},
		"passed on, media through this node":   {licensing.Call{A: ours, B: other, Beyond: true, Media: true, Connected: true, Streams: 2}, 0},
		"passed on, not set up, of a stranger": {licensing.Call{A: stranger, B: ours, Beyond: true, Media: true}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			if half, _ := licensing.Cost(tc.call); half != tc.half {
				t.Errorf("%d halves, want %d", half, tc.half)
			}
		})
	}
}

// What a call costs does not depend on who called whom, and setting up costs at least as
// much as the call then does.
func TestCostIsFair(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		party := rapid.Custom(func(t *rapid.T) licensing.Party {
			return licensing.Party{Registered: rapid.Bool().Draw(t, "registered"), Stranger: rapid.Bool().Draw(t, "stranger"), SIP: rapid.Bool().Draw(t, "sip")}
		})
		c := licensing.Call{
			A: party.Draw(t, "a"), B: party.Draw(t, "b"), Media: rapid.Bool().Draw(t, "media"),
			Beyond: rapid.Bool().Draw(t, "beyond"), Connected: rapid.Bool().Draw(t, "connected"), Streams: rapid.IntRange(0, 5).Draw(t, "streams"),
		}
		half, kind := licensing.Cost(c)
		turned := c
		turned.A, turned.B = c.B, c.A
		if h, k := licensing.Cost(turned); h != half || k != kind {
			t.Fatalf("%d one way, %d the other", half, h)
		}
		before := c
		before.Connected = false
		if h, _ := licensing.Cost(before); h < half {
			t.Fatalf("%d while it is set up, %d then", h, half)
		}
	})
}

func FuzzParseKey(f *testing.F) {
	f.Add(sign(f, licensing.Key{Feature: licensing.RoomSystem, Count: 5, Node: "n", Serial: "s1"}))
	f.Add(sign(f, licensing.Key{Feature: licensing.HSM, Count: 1, Node: "n", Serial: "s1", Until: licensing.LastDay(2027, 2, 28)}))
	by := issuer('a')
	f.Fuzz(func(t *testing.T, text string) {
		k, err := licensing.ParseKey(text, public(by))
		if err != nil {
			return
		}
		if again, err := k.Sign(by); err != nil || again != text {
			t.Errorf("a key has two ways to be written: %s, %s (%v)", text, again, err)
		}
	})
}
