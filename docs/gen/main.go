// Command gen makes the pages of docs that say what the code already says: the
// reference of the node file from its schema, those of metrics and alerts, what doctor
// looks at from its catalogue, and the list of requirements with the tests that show them
// from the comments above those tests.
package main

//go:generate go run .

import (
	"bytes"
	"fmt"
	"log"
	"os"
)

func main() {
	root := "../.."
	for name, page := range map[string]func(string) ([]byte, error){
		"docs/configuration.md": configuration,
		"docs/metrics.md":       metricsPage,
		"docs/alerts.md":        alerts,
		"docs/doctor.md":        doctorPage,
		"docs/requirements.md":  requirements,
	} {
		text, err := page(root)
		if err != nil {
			log.Fatal(err)
		}
		if err := os.WriteFile(root+"/"+name, text, 0o644); err != nil {
			log.Fatal(err)
		}
	}
}

// table writes the rows of a Markdown table.
type table struct{ bytes.Buffer }

func (t *table) row(cells ...string) {
	for _, c := range cells {
		fmt.Fprintf(t, "| %s ", c)
	}
	t.WriteString("|\n")
}
