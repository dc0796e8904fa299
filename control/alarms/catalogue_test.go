package alarms

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// facts are the numbers that operators of systems of this kind know (facts A5).
var facts = []int{
	15004, 15005, 15008, 15009, 15010, 15011, 15013, 15015, 15019, 15023, 15028,
	20003, 20004, 20005, 20006, 20007, 20008, 20009, 20011, 20012, 20014, 20015, 20016, 20017, 20018, 20019, 20020, 20021, 20024, 20025, 20026,
	25001, 25002, 25018, 25020, 25021, 25022, 25029,
	30001, 30002, 30003, 30004, 30005, 30007, 30010, 30012, 30013, 30014, 30015, 30016, 30017, 30019, 30020, 30021, 30022, 30023, 30024, 30025,
	30026, 30027, 30028, 30029, 30030, 30031, 30035, 30036, 30037, 30038, 30039, 30040, 30041, 30042, 30043, 30044, 30045, 30046, 30047, 30048,
	40036, 40037, 40038, 40039, 40046, 40049, 40052, 40055, 40068, 40069,
	45002, 45006, 45007, 45008, 45019,
}

// TestCatalogue: every number is there once, with all that an operator needs. // AL-01
func TestCatalogue(t *testing.T) {
	seen := map[int]bool{}
	for _, k := range Catalogue() {
		if seen[k.Number] {
			t.Errorf("%d is there twice", k.Number)
		}
		seen[k.Number] = true
		if k.Title == "" || k.Text == "" || k.Remedy == "" || k.Severity > Debug {
			t.Errorf("%d says too little: %+v", k.Number, k)
		}
		reasons := 0
		for _, there := range []bool{k.Proof != "", k.Issue != 0, k.Never != ""} {
			if there {
				reasons++
			}
		}
		if reasons != 1 {
			t.Errorf("%d needs either a test that causes and cures it, or the issue that it waits for, or why nothing raises it", k.Number)
		}
		for _, d := range k.DependsOn {
			if _, ok := Find(d); !ok || d == k.Number {
				t.Errorf("%d depends on %d", k.Number, d)
			}
		}
	}
	for _, n := range facts {
		if !seen[n] {
			t.Errorf("%d is not in the catalogue", n)
		}
		delete(seen, n)
	}
	for n := range seen {
		if n%10_000 < 9_000 { // those beyond are our own
			t.Errorf("%d is not in the facts", n)
		}
	}
}

// TestProofsAreThere: a test that the catalogue names exists.
func TestProofsAreThere(t *testing.T) {
	for _, k := range Catalogue() {
		if k.Proof == "" {
			continue
		}
		dir, name, ok := strings.Cut(k.Proof, " ")
		files, err := filepath.Glob(filepath.Join("../..", dir, "*_test.go"))
		if !ok || err != nil {
			t.Fatal(k.Proof, err)
		}
		found := false
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			found = found || strings.Contains(string(text), "func "+name+"(")
		}
		if !found {
			t.Errorf("%d: there is no test %s in %s", k.Number, name, dir)
		}
	}
}
