package registrations

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// naive is the table as one would explain it.
type naive struct{ all []Binding }

func (n *naive) remove(match func(*Binding) bool) {
	n.all = slices.DeleteFunc(n.all, func(b Binding) bool { return match(&b) })
}

func (n *naive) where(match func(*Binding) bool) []string {
	out := []string{}
	for i := range n.all {
		if match(&n.all[i]) {
			out = append(out, n.all[i].Contact)
		}
	}
	slices.Sort(out)
	return out
}

func sorted(list []*Binding) []string {
	out := []string{}
	for _, b := range list {
		out = append(out, b.Contact)
	}
	slices.Sort(out)
	return out
}

// TestModel holds the table, with its four indexes, against a list that is walked.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table, model := New(Config{}), &naive{}
		names := []string{"a@x", "b@x", "c@x"}
		pick := func(label string) int {
			if len(model.all) == 0 {
				t.Skip("nothing is there")
			}
			return rapid.IntRange(0, len(model.all)-1).Draw(t, label)
		}
		port := rapid.IntRange(1, 4)
		made := 0
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				made++
				b := Binding{
					AOR: rapid.SampledFrom(names).Draw(t, "name"), Contact: fmt.Sprint("sip:", made), Expires: time.Now().Add(time.Hour),
					Source: netip.AddrPortFrom(from.Addr(), uint16(port.Draw(t, "port"))), Outbound: rapid.Bool().Draw(t, "outbound"),
				}
				b.Flow = uint64(rapid.IntRange(0, 3).Draw(t, "flow"))
				have, err := table.Update(b.AOR, func(time.Time, []*Binding) (Changes, error) { return Changes{Put: []Binding{b}}, nil })
				if err != nil {
					if len(model.where(func(m *Binding) bool { return m.AOR == b.AOR })) < MaxContacts {
						t.Fatal(err)
					}
					return
				}
				b.ID = slices.MaxFunc(have, func(x, y *Binding) int { return cmp.Compare(x.ID, y.ID) }).ID
				model.all = append(model.all, b)
			},
			"refresh": func(t *rapid.T) {
				b := &model.all[pick("which")]
				b.Source = netip.AddrPortFrom(from.Addr(), uint16(port.Draw(t, "port")))
				b.Flow = uint64(rapid.IntRange(0, 3).Draw(t, "flow"))
				b.Expires = time.Now().Add(time.Duration(rapid.IntRange(1, 100).Draw(t, "minutes")) * time.Minute)
				if _, err := table.Update(b.AOR, func(time.Time, []*Binding) (Changes, error) { return Changes{Put: []Binding{*b}}, nil }); err != nil {
					t.Fatal(err)
				}
			},
			"unregister": func(t *rapid.T) {
				b := model.all[pick("which")]
				if _, err := table.Update(b.AOR, func(time.Time, []*Binding) (Changes, error) { return Changes{Remove: []uint64{b.ID}}, nil }); err != nil {
					t.Fatal(err)
				}
				model.remove(func(m *Binding) bool { return m.ID == b.ID })
			},
			"remove": func(t *rapid.T) {
				id := model.all[pick("which")].ID
				table.Remove(id, Removed)
				model.remove(func(m *Binding) bool { return m.ID == id })
			},
			"close": func(t *rapid.T) {
				flow := uint64(rapid.IntRange(1, 3).Draw(t, "flow"))
				table.Closed(flow)
				model.remove(func(m *Binding) bool { return m.Flow == flow && m.Outbound })
				for i := range model.all {
					if model.all[i].Flow == flow {
						model.all[i].Flow = 0
					}
				}
			},
			"": func(t *rapid.T) { agree(t, table, model, names) },
		})
	})
}

func agree(t *rapid.T, table *Table, model *naive, names []string) {
	for _, name := range names {
		if diff := gocmp.Diff(model.where(func(b *Binding) bool { return b.AOR == name }), sorted(table.Of(name))); diff != "" {
			t.Fatalf("%s: %s", name, diff)
		}
	}
	for n := range 4 {
		flow, source := uint64(n), netip.AddrPortFrom(from.Addr(), uint16(n+1))
		if flow > 0 {
			want := model.where(func(b *Binding) bool { return b.Flow == flow })
			if diff := gocmp.Diff(want, sorted(table.From(nil, flow, source))); diff != "" {
				t.Fatalf("flow %d: %s", flow, diff)
			}
		}
		want := model.where(func(b *Binding) bool { return b.Flow == 0 && b.Source == source })
		if diff := gocmp.Diff(want, sorted(table.From(nil, 0, source))); diff != "" {
			t.Fatalf("source %v: %s", source, diff)
		}
	}
	if got := table.Counts().Local; got != len(model.all) || got != len(table.List()) || got != len(table.due) {
		t.Fatalf("%d bindings, model %d, list %d, deadlines %d", got, len(model.all), len(table.List()), len(table.due))
	}
	for _, e := range table.due {
		if e.Expires.Before(table.due[0].Expires) {
			t.Fatal("the first deadline is not the first")
		}
	}
}
