package sipp_test

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"turnpike.dev/turnpike/deploy/sipp"
)

// Every scenario is XML, says in its first comment which requirement or section it is for,
// and stands in the README.
func TestScenariosSayWhatTheyAreFor(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	purpose := regexp.MustCompile(`[A-Z]{2}-\d\d|RFC \d{4}`)
	for _, name := range sipp.Scenarios() {
		text, err := sipp.Scenario(name)
		if err != nil {
			t.Fatal(err)
		}
		if comment := firstComment(t, name, text); !purpose.MatchString(comment) {
			t.Errorf("%s: the first comment names no requirement and no section: %q", name, comment)
		}
		family := strings.TrimSuffix(strings.TrimSuffix(name, "-caller"), "-callee")
		if !strings.Contains(string(readme), "`"+name+"`") && !strings.Contains(string(readme), "`"+family+"-…`") {
			t.Errorf("%s is not in README.md", name)
		}
	}
}

func firstComment(t *testing.T, name string, text []byte) (comment string) {
	t.Helper()
	in := xml.NewDecoder(strings.NewReader(string(text)))
	in.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	for {
		token, err := in.Token()
		if errors.Is(err, io.EOF) {
			return comment
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if c, is := token.(xml.Comment); is && comment == "" {
			comment = string(c)
		}
	}
}

func TestUnknownScenarioTellsWhichThereAre(t *testing.T) {
	if _, err := sipp.Scenario("nobody"); err == nil || !strings.Contains(err.Error(), "hold-caller") {
		t.Errorf("%v, want a list", err)
	}
}
