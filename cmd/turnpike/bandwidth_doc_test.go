package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/resources"
)

const (
	bandwidthPage = "../../docs/bandwidth.md"
	pageOffices   = "../../control/occupancy/testdata/offices.yaml"
)

// scripted are what the page does, in its order: calls that begin, and commands.
var scripted = regexp.MustCompile("(?s)<!-- call: ([^\n]*) -->|" + session.String())

// TestBandwidthPage plays docs/bandwidth.md on a node of its example: calls begin where it
// says so in comments, and commands print what it shows. -update writes it into the page.
func TestBandwidthPage(t *testing.T) {
	page, err := os.ReadFile(bandwidthPage)
	if err != nil {
		t.Fatal(err)
	}
	got := replaceAll(shown, string(page), func(m []string) string {
		text, err := os.ReadFile(filepath.Join("../..", m[2]))
		if err != nil {
			t.Error(err)
		}
		return m[1] + string(text) + m[4]
	})
	c := cannedOccupancy{node: storedNode(t, pageOffices, t.TempDir()), sent: callRates{}}
	state := serveAPI(t, api.New(newCanned(), nil).Measure(c))
	ran := 0
	got = replaceAll(scripted, got, func(m []string) string {
		if m[1] != "" {
			c.begin(t, m[1])
			return m[0]
		}
		ran++
		var out bytes.Buffer
		if err := run(t.Context(), append([]string{"--state", state}, strings.Fields(m[3])...), &out); exitCode(err) == exitUsage {
			t.Errorf("%s: %v", m[3], err)
		}
		return m[2] + strings.TrimRight(out.String(), "\n") + "\n" + m[5]
	})
	if ran < 5 {
		t.Fatalf("the page shows %d commands", ran)
	}
	if *update {
		if err := os.WriteFile(bandwidthPage, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(page), got); diff != "" {
		t.Errorf("-page +run:\n%s", diff)
	}
}

// begin starts a call of the page: "lisbon porto 800 traversal, sends 640".
func (c cannedOccupancy) begin(t *testing.T, line string) {
	t.Helper()
	var from, to string
	var kbps, sends uint32
	if _, err := fmt.Sscanf(line, "%s %s %d", &from, &to, &kbps); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	_, err := c.resources.Admit(line, resources.Want{Streams: 2, Ways: []resources.Way{{
		From: resources.Party{Node: from}, To: resources.Party{Node: to}, Asked: kbps, Traversal: strings.Contains(line, "traversal"),
	}}})
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	if _, rate, ok := strings.Cut(line, "sends "); ok {
		if _, err := fmt.Sscan(rate, &sends); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		c.sent[line] = sends
	}
}

// What the pictures name is in the example.
func TestBandwidthPictures(t *testing.T) {
	n, err := config.Load(pageOffices)
	if err != nil {
		t.Fatal(err)
	}
	model := picture(t, "bandwidth-model.svg")
	for _, s := range n.Subzones {
		wantNamed(t, model, s.Name)
	}
	for _, p := range n.Pipes {
		wantNamed(t, model, "pipe "+p.Name)
		wantNamed(t, model, fmt.Sprintf("total %d", p.Total.Kbps))
	}
	for _, l := range n.Links {
		if l.Pipe1 != "" {
			wantNamed(t, model, l.Name)
		}
	}
	example := picture(t, "bandwidth-example.svg")
	for _, p := range n.Pipes {
		wantNamed(t, example, p.Name)
		wantNamed(t, example, fmt.Sprintf("pipe, total %d", p.Total.Kbps))
	}
}

func picture(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../docs/images", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func wantNamed(t *testing.T, picture, text string) {
	t.Helper()
	if !strings.Contains(picture, ">"+text) {
		t.Errorf("no %q is in the picture", text)
	}
}
