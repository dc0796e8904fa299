package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const requirementsHead = `# Requirements and the tests that show them

Generated from ` + "`docs/requirements.txt`" + ` and the comments above tests (` + "`// ME-07`" + `).

`

// requirement is a line of requirements.txt.
type requirement struct{ id, text string }

var (
	idComment = regexp.MustCompile(`^\s*//.*\b[A-Z]{2}-\d\d\b`)
	id        = regexp.MustCompile(`\b[A-Z]{2}-\d\d\b`)
	function  = regexp.MustCompile(`^func ((?:Test|Fuzz|Benchmark|Example)\w*)`)
)

// requirements lists each requirement with its tests.
func requirements(root string) ([]byte, error) {
	all, err := readRequirements(filepath.Join(root, "docs/requirements.txt"))
	if err != nil {
		return nil, err
	}
	proofs, err := findProofs(root)
	if err != nil {
		return nil, err
	}
	var t table
	t.WriteString(requirementsHead)
	t.row("id", "requirement", "shown by")
	t.WriteString("|---|---|---|\n")
	var open []string
	known := ""
	for _, r := range all {
		known += r.id[:3] + " "
		tests := proofs[r.id]
		delete(proofs, r.id)
		if len(tests) == 0 {
			open = append(open, r.id)
		}
		t.row(r.id, r.text, strings.Join(tests, "<br>"))
	}
	for unknown, tests := range proofs {
		if !strings.Contains(known, unknown[:3]) {
			continue // "RS-45" and the like are no ids of ours
		}
		return nil, fmt.Errorf("%s is named by %s and is not in docs/requirements.txt", unknown, tests[0])
	}
	fmt.Fprintf(&t, "\n%d of %d have a test. Without one: %s.\n", len(all)-len(open), len(all), strings.Join(open, ", "))
	return t.Bytes(), nil
}

func readRequirements(file string) ([]requirement, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var all []requirement
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, text, ok := strings.Cut(line, " ")
		if !ok || !id.MatchString(name) {
			return nil, fmt.Errorf("%s:%d: want an id and a text", file, n)
		}
		all = append(all, requirement{name, text})
	}
	return all, lines.Err()
}

// findProofs returns the tests by the ids they name, sorted.
func findProofs(root string) (map[string][]string, error) {
	proofs := map[string][]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "bin" || strings.HasPrefix(d.Name(), ".") && d.Name() != ".." && path != root):
			return filepath.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		proofsIn(rel, data, proofs)
		return nil
	})
	for _, tests := range proofs {
		slices.Sort(tests)
	}
	return proofs, err
}

// proofsIn adds the tests of a file. Ids in a comment belong to the test below it or,
// inside a test, to that test; ids above the first test belong to the file.
func proofsIn(file string, data []byte, proofs map[string][]string) {
	test := ""
	var waiting []string
	add := func(id, where string) {
		if !slices.Contains(proofs[id], where) {
			proofs[id] = append(proofs[id], where)
		}
	}
	lines := strings.Split(string(data), "\n")
	for _, line := range lines {
		switch {
		case function.MatchString(line):
			test = function.FindStringSubmatch(line)[1]
			for _, id := range waiting {
				add(id, fmt.Sprintf("`%s` in %s", test, file))
			}
			waiting = nil
			if strings.HasSuffix(line, "}") {
				test = ""
			}
		case strings.HasPrefix(line, "}"):
			test = ""
		case idComment.MatchString(line):
			for _, name := range id.FindAllString(line, -1) {
				if test == "" {
					waiting = append(waiting, name)
				} else {
					add(name, fmt.Sprintf("`%s` in %s", test, file))
				}
			}
		}
	}
	for _, id := range waiting {
		add(id, file)
	}
}
