// Package torture is the messages of RFC 4475 with the answer that each deserves from this
// node, for the tests of every layer: those of the messages say what is refused there,
// those of the stack what the rest is answered with above.
//
// The messages themselves are read from the tests of github.com/emiago/sipgo, which has
// all of the RFC's archive.
package torture

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Layer is who answers.
type Layer string

// The layers.
const (
	Nobody    Layer = ""          // dropped: a response, or nothing to answer to
	Message   Layer = "message"   // refused before anybody sees it
	Core      Layer = "core"      // by what the node supports
	Access    Layer = "access"    // by who sent it
	Registrar Layer = "registrar" // by what is registered
	Router    Layer = "router"    // by where it goes: a good request
	Response  Layer = "response"  // a good response, for its transaction
)

// Case is one message.
type Case struct {
	Name    string
	Section string // of RFC 4475
	Layer   Layer
	Status  int    // right answer of that layer when nothing above it objects; 0: any
	Why     string // it is this one
	Data    []byte
}

// Cases are all messages of the archive.
func Cases(t testing.TB) []Case {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/emiago/sipgo").Output()
	if err != nil {
		t.Fatalf("find the messages of RFC 4475 in the module cache: %v", err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "sip", "testdata", "torture", "*", "*.dat"))
	if err != nil {
		t.Fatal(err)
	}
	known := make(map[string]Case)
	for _, c := range table {
		known[c.Name] = c
	}
	var all []Case
	for _, file := range files {
		c, ok := known[strings.TrimSuffix(filepath.Base(file), ".dat")]
		if !ok {
			t.Errorf("%s has no right answer in the table", file)
		}
		if c.Data, err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	if len(all) != len(table) {
		t.Errorf("there are %d messages, and %d in the table", len(all), len(table))
	}
	return all
}
