package sdp

import (
	"os"
	"strings"
	"testing"
)

// The operator's page has the list of what is not supported.
func TestUnsupportedIsPublished(t *testing.T) {
	page, err := os.ReadFile("../../../docs/sip.md")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(page), "## Not supported yet")
	for _, l := range Unsupported() {
		if row := "| " + l.Name + " | " + l.Instead + " |"; !strings.Contains(list, row) {
			t.Errorf("docs/sip.md lacks the row\n%s", row)
		}
	}
}
