package api

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// whole is a server with every operation, for tests that look at the table only.
func whole() *Server {
	return New(newFake(), http.NotFoundHandler()).Configure(nil).Speak(nil).Keep(nil).Carry(nil).Live(nil).Examine(nil).Join(nil).License(nil).Measure(nil).Inspect(nil)
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (renew it with -update): -want +got\n%s", file, diff)
	}
}

func TestDescription(t *testing.T) {
	got, err := json.MarshalIndent(whole().huma.OpenAPI(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "openapi.json", append(got, '\n'))
}

// TestOperations: the table of what may be asked by whom is looked at when it changes.
func TestOperations(t *testing.T) {
	var lines []string
	seen := map[string]bool{}
	for _, o := range whole().operations {
		if seen[o.id] {
			t.Errorf("two operations are called %s", o.id)
		}
		seen[o.id] = true
		method, path, _ := strings.Cut(o.route, " ")
		lines = append(lines, fmt.Sprintf("%-42s %-6s %-8s %s\n", path, method, o.role, o.id))
	}
	slices.Sort(lines)
	golden(t, "operations.txt", []byte(strings.Join(lines, "")))
}

// TestParameters: what a route names is taken from it. A field that is not found (huma
// does not look into embedded structs that are not exported) would be empty for ever.
func TestParameters(t *testing.T) {
	for path, item := range whole().huma.OpenAPI().Paths {
		for _, o := range []*huma.Operation{item.Get, item.Put, item.Post, item.Delete, item.Patch} {
			if o == nil {
				continue
			}
			named := 0
			for _, p := range o.Parameters {
				if p.In == "path" {
					named++
				}
			}
			if named != strings.Count(path, "{") {
				t.Errorf("%s: %d parameters of the path are declared", path, named)
			}
		}
	}
}
