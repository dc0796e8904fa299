package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/resources"
	"turnpike.dev/turnpike/control/sharing"
)

// Each cause of a refusal has a reason with words for it, and no reason is without a cause.
func TestReasonsAreTheCauses(t *testing.T) {
	causes, reasons := map[string]bool{}, map[string]bool{}
	for _, c := range resources.Causes() {
		causes[c.String()] = true
	}
	for _, r := range sharing.Reasons() {
		if reasons[r.Name] = true; r.Text == "" || r.Remedy == "" {
			t.Errorf("%s has no words", r.Name)
		}
	}
	if diff := cmp.Diff(causes, reasons); diff != "" {
		t.Error(diff)
	}
}

// What the page of clusters says of each reason is what the commands say.
func TestReasonsAreOnThePage(t *testing.T) {
	page, err := os.ReadFile("../../docs/cluster.md")
	if err != nil {
		t.Fatal(err)
	}
	plain := strings.ReplaceAll(string(page), "`", "")
	for _, r := range sharing.Reasons() {
		remedy := strings.TrimPrefix(strings.ReplaceAll(r.Remedy, "`", ""), "see ")
		if row := fmt.Sprintf("| %s | %s | %s |", r.Name, r.Text, strings.ReplaceAll(remedy, ", see ", ", ")); !strings.Contains(plain, row) {
			t.Errorf("the page has no row %q", row)
		}
	}
}
