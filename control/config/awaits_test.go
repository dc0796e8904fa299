package config

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// usesOf returns the fields of the tree that the program reads: every X in a.X outside of
// tests, and of what in this package only declares, checks or carries items around.
func usesOf(t *testing.T) map[string]bool {
	t.Helper()
	used := map[string]bool{}
	files := token.NewFileSet()
	for _, room := range []string{"cmd", "control", "signaling", "dataplane"} {
		err := filepath.WalkDir(filepath.Join("../..", room), func(path string, _ fs.DirEntry, err error) error {
			carries := strings.HasPrefix(filepath.Base(path), "check") || strings.Contains(path, "/preflight/") || strings.Contains(path, "/support/")
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || carries {
				return err
			}
			file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok {
					used[s.Sel.Name] = true
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return used
}

// fieldsAt returns the names of the Go fields by the paths of the schema.
func fieldsAt(s shape, typ reflect.Type, into map[string]string) {
	for _, f := range s {
		ft := typ.Field(f.index).Type
		into[f.at] = typ.Field(f.index).Name
		if f.optional {
			ft = ft.Elem()
		}
		if f.form == formEntries {
			ft = ft.Elem()
		}
		if f.below != nil {
			fieldsAt(f.below, ft, into)
		}
	}
}

// TestWhatHasNoEffectSaysSo: an item that nothing in the program reads is marked with what
// it waits for, and one that is read is not. A name that several items have is evidence
// for the first only.
func TestWhatHasNoEffectSaysSo(t *testing.T) {
	used := usesOf(t)
	fields, often := map[string]string{}, map[string]int{}
	fieldsAt(root(), reflect.TypeFor[Node](), fields)
	for _, name := range fields {
		often[name]++
	}
	marked := 0
	for _, item := range Schema() {
		if item.Awaits != "" {
			marked++
		}
		name := fields[item.Path]
		if name == "" || item.Type == TypeEntries {
			continue
		}
		if item.Awaits == "" && !used[name] {
			t.Errorf("%s: nothing reads %s: mark what it waits for", item.Path, name)
		}
	}
	if marked == 0 || marked > 120 {
		t.Errorf("%d items are marked", marked)
	}
	// Each mark names a thing that is not there: where that comes, its marks go.
	for _, at := range []string{"h323.ras_port", "ntp.servers", "calls.routed_mode", "zones[].h323.ras_port"} {
		if item, ok := Lookup(at); !ok || item.Awaits == "" {
			t.Errorf("%s is not marked", at)
		}
	}
	for _, at := range []string{"sip.udp", "zones[].peers", "accounts[].password", "search_rules[].target", "dns.servers", "media.ports.start", "registrations.allow[].name", "turn.mode", "option_keys", "cluster.peers", "pipes[].name", "subzones[].bandwidth.total.kbps"} {
		if item, ok := Lookup(at); !ok || item.Awaits != "" {
			t.Errorf("%s is marked", at)
		}
	}
	for name, n := range map[string]int{"TimeZone": often["TimeZone"]} {
		if used[name] {
			t.Errorf("%s is read now (%d items have the name): take its mark away", name, n)
		}
	}
}

// What an item waits for is said wherever it is explained.
func TestNote(t *testing.T) {
	item, _ := Lookup("h323.ras_port")
	if !strings.HasPrefix(item.Note(), "(No effect yet: comes with H.323") || !strings.HasSuffix(item.Note(), item.Text) {
		t.Errorf("got %q", item.Note())
	}
	if !strings.Contains(string(JSONSchema()), "No effect yet") {
		t.Error("the schema does not say it")
	}
	if item, _ := Lookup("sip.udp"); item.Note() != item.Text {
		t.Errorf("got %q", item.Note())
	}
}
