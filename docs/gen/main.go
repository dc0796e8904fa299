// Command gen makes the pages of docs that say what the code already says: the
// reference of the node file from its schema, those of metrics and alerts, what doctor
// looks at from its catalogue, and the list of requirements with the tests that show them
// from the comments above those tests.
package main

//go:generate go run .

import (
	"bytes"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
)

func main() {
	root := "../.."
	for name, page := range map[string]func(string) ([]byte, error){
		"docs/configuration.md": configuration,
		"docs/metrics.md":       metricsPage,
		"docs/alerts.md":        alerts,
		"docs/doctor.md":        doctorPage,
		"docs/api.md":           apiPage,
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
	if err := writeAlarms(root + "/docs/alarms"); err != nil {
		log.Fatal(err)
	}
}

// writeAlarms writes the pages of docs/alarms, and removes those of numbers that are
// gone.
func writeAlarms(dir string) error {
	pages := alarmPages()
	old, err := filepath.Glob(filepath.Join(dir, "*.md"))
	if err != nil {
		return err
	}
	for _, file := range old {
		if _, ok := pages[filepath.Base(file)]; !ok {
			err = errors.Join(err, os.Remove(file))
		}
	}
	err = errors.Join(err, os.MkdirAll(dir, 0o755))
	for name, page := range pages {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), page, 0o644))
	}
	return err
}

// table writes the rows of a Markdown table.
type table struct{ bytes.Buffer }

func (t *table) row(cells ...string) {
	for _, c := range cells {
		fmt.Fprintf(t, "| %s ", c)
	}
	t.WriteString("|\n")
}
