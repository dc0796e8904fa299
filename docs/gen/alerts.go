package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml"
)

const alertsHead = `# Alerts

Generated from ` + "`deploy/prometheus/turnpike.rules.yml`" + `; docs/operating.md says how to install it. *do* is what to run on the node.

`

// alerts is the list of the alert rules.
func alerts(root string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(root, "deploy/prometheus/turnpike.rules.yml"))
	if err != nil {
		return nil, err
	}
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		return nil, fmt.Errorf("read the alert rules: %w", err)
	}
	var t table
	t.WriteString(alertsHead)
	t.row("alert", "severity", "when", "meaning", "do")
	t.WriteString("|---|---|---|---|---|\n")
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			if r.Alert == "" {
				continue
			}
			when := "`" + strings.ReplaceAll(r.Expr, "|", "\\|") + "`"
			if r.For != "" {
				when += " for " + r.For
			}
			t.row("`"+r.Alert+"`", r.Labels["severity"], when, r.Annotations["description"], "`"+r.Annotations["runbook"]+"`")
		}
	}
	return t.Bytes(), nil
}
