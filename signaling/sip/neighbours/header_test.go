package neighbours

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseLoad(t *testing.T) {
	tests := []struct {
		name, value string
		want        Load
		ok          bool
	}{
		{"as it is written", Load{500, 12, false}.String(), Load{500, 12, false}, true},
		{"maintenance", Load{500, 12, true}.String(), Load{500, 12, true}, true},
		{"nothing in use", "maximum=5", Load{5, 0, false}, true},
		{"spaces, case and order", " Current=1 ; MAXIMUM=5", Load{5, 1, false}, true},
		{"of a later version", "maximum=5;current=1;licences=3;x", Load{5, 1, false}, true},
		{"more than there are", "maximum=5;current=9", Load{5, 9, false}, true},
		{"no maximum", "current=1", Load{0, 1, false}, false},
		{"nothing", "", Load{}, false},
		{"negative", "maximum=-5", Load{}, false},
		{"too many", "maximum=1000001", Load{}, false},
		{"far too many", "maximum=99999999999999999999", Load{}, false},
		{"too long", "maximum=5" + strings.Repeat(";x", 100), Load{}, false},
		{"maintenance has no value", "maximum=5;maintenance=no", Load{}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, ok := parseLoad(test.value)
			if diff := cmp.Diff(test.want, got); diff != "" || ok != test.ok {
				t.Errorf("ok %t\n%s", ok, diff)
			}
		})
	}
	if f := (Load{5, 9, false}).free(); f != 0 {
		t.Errorf("%d are free of a peer that is over its limit", f)
	}
}

func FuzzParseLoad(f *testing.F) {
	f.Add("maximum=500;current=12;maintenance")
	f.Add("current=;=;;maximum")
	f.Fuzz(func(t *testing.T, value string) {
		l, ok := parseLoad(value)
		if !ok {
			return
		}
		if l.Maximum < 0 || l.Maximum > maxSessions || l.Current < 0 || l.Current > maxSessions {
			t.Fatalf("%q is %+v", value, l)
		}
		if again, ok := parseLoad(l.String()); !ok || again != l {
			t.Fatalf("%q is %+v, and written again %+v", value, l, again)
		}
	})
}
