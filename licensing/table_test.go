package licensing_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"turnpike.dev/turnpike/licensing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// kinds are the parties that there are, by what the table calls them.
var kinds = []struct {
	name  string
	party licensing.Party
}{
	{"registered SIP", licensing.Party{Registered: true, SIP: true}},
	{"registered H.323", licensing.Party{Registered: true}},
	{"neighbour SIP", licensing.Party{SIP: true}},
	{"neighbour H.323", licensing.Party{}},
	{"stranger SIP", licensing.Party{Stranger: true, SIP: true}},
	{"stranger H.323", licensing.Party{Stranger: true}},
}

// TestCostTable holds what every call there is costs, in licences. // LI-04
func TestCostTable(t *testing.T) {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "\t\tmedia here\t\t\tmedia direct\t\t\tpassed on by a peer\t\t\t")
	_, _ = fmt.Fprintln(w, "a\tb\tset-up\taudio\tvideo\tset-up\taudio\tvideo\tset-up\taudio\tvideo\t")
	for i, a := range kinds {
		for _, other := range kinds[i:] {
			_, _ = fmt.Fprintf(w, "%s\t%s\t", a.name, other.name)
			for _, c := range []licensing.Call{{Media: true}, {}, {Beyond: true}} {
				c.A, c.B = a.party, other.party
				for streams := range 3 { // none is known while it is set up
					c.Connected, c.Streams = streams > 0, streams
					half, kind := licensing.Cost(c)
					if registered := kind == licensing.RegisteredCall; registered && half > 0 {
						t.Errorf("a registered call costs %d halves", half)
					}
					_, _ = fmt.Fprintf(w, "%g\t", float64(half)/2)
				}
			}
			_, _ = fmt.Fprintln(w)
		}
	}
	_ = w.Flush()
	const file = "testdata/cost.txt"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// installation is a text that was installed, with what a person makes of it.
type installation struct {
	text          string
	feature       licensing.Feature
	count         int
	counts, ended bool // if it is the first of its text, and not one too many
}

// draw draws an installed text: a good key, or one of those that do not count.
func draw(t *rapid.T, now time.Time) installation {
	k := licensing.Key{
		Feature: rapid.SampledFrom(licensing.Features()).Draw(t, "feature"), Count: 1,
		Node: rapid.SampledFrom([]string{"this", "this", "this", "other"}).Draw(t, "node"), Serial: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "serial"),
	}
	if k.Feature.Counted() {
		k.Count = rapid.IntRange(1, 500).Draw(t, "count")
	}
	if days := rapid.IntRange(-3, 3).Draw(t, "days"); days != 3 { // else perpetual
		day := now.AddDate(0, 0, days)
		k.Until = licensing.LastDay(day.Year(), day.Month(), day.Day())
	}
	by := rapid.SampledFrom([]byte{'a', 'a', 'b', 'x'}).Draw(t, "issuer")
	text, err := k.Sign(issuer(by))
	if err != nil {
		t.Fatal(err)
	}
	in := installation{text: text, feature: k.Feature, count: k.Count}
	ours := k.Node == "this" && by != 'x'
	in.ended = ours && !k.Until.IsZero() && !now.Before(k.Until)
	in.counts = ours && !in.ended
	if rapid.IntRange(0, 9).Draw(t, "torn") == 0 {
		in = installation{text: text[:len(text)-rapid.IntRange(1, 20).Draw(t, "off")]}
	}
	return in
}

// LI-01: what is installed is what a person adds up who looks at each key.
func TestInstallAgainstAddingUp(t *testing.T) {
	now := time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)
	issuers := []licensing.Issuer{{Name: "a", Key: public(issuer('a'))}, {Name: "b", Key: public(issuer('b'))}}
	rapid.Check(t, func(t *rapid.T) {
		list := make([]installation, rapid.IntRange(0, 80).Draw(t, "keys"))
		texts, seen := make([]string, len(list)), map[string]bool{}
		var want licensing.Installed
		on := map[licensing.Feature]bool{}
		for i := range list {
			list[i] = draw(t, now)
			in := list[i]
			texts[i] = in.text
			fits := !seen[in.text] && i < licensing.MaxKeys
			seen[in.text] = true
			if !fits {
				continue
			}
			want.Keyed = want.Keyed || (in.counts || in.ended) && in.feature.Counted()
			if !in.counts {
				continue
			}
			switch in.feature {
			case licensing.RichMediaSession:
				want.Pool.HalfRMS += in.count + in.count
			case licensing.RoomSystem:
				want.Pool.Room += in.count
			case licensing.DesktopSystem:
				want.Pool.Desktop += in.count
			default:
				on[in.feature] = true
			}
		}
		for _, f := range []licensing.Feature{licensing.HSM, licensing.AdvancedSecurity, licensing.Interop} {
			if on[f] {
				want.Features = append(want.Features, f)
			}
		}
		options := licensing.Read(texts, issuers, "this", now)
		for i, o := range options {
			if counts := o.Err == nil; counts && !list[i].counts {
				t.Fatalf("%s counts", o.Text)
			}
		}
		if diff := cmp.Diff(want, licensing.Install(options)); diff != "" {
			t.Fatal(diff)
		}
	})
}
