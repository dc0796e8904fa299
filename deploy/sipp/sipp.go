// Package sipp holds our SIPp scenarios, each written for a requirement or a bug that
// its first comment names, and the tests that run them against a node.
//
// SIPp is the referee here: it is not our code, says exactly which message it did not
// expect, and does what phones do badly (it loses messages, hangs up early, rings for
// ever) as often as wanted. What it cannot do (TLS, SHA-256) the user agent in
// deploy/sipp/agent does.
package sipp

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

//go:embed scenarios/*.xml
var files embed.FS

// Scenario is the text of a scenario by its name, which is that of its file.
func Scenario(name string) ([]byte, error) {
	text, err := files.ReadFile(path.Join("scenarios", name+".xml"))
	if err != nil {
		return nil, fmt.Errorf("no scenario %q: choose from %s", name, strings.Join(Scenarios(), ", "))
	}
	return text, nil
}

// Scenarios are the names of all.
func Scenarios() []string {
	var names []string
	entries, _ := fs.ReadDir(files, "scenarios") // an embedded folder can be read
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".xml"))
	}
	return names
}
