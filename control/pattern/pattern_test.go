package pattern

import (
	"strings"
	"testing"
)

func mustCompile(t testing.TB, typ Type, text string) Pattern {
	t.Helper()
	p, err := Compile(typ, text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestMatch(t *testing.T) {
	tests := []struct {
		name     string
		typ      Type
		text, in string
		want     bool
	}{
		{"exact", Exact, "Bob@example.com", "bob@example.com", true},
		{"exact is whole", Exact, "bob", "bob@example.com", false},
		{"prefix", Prefix, "BOB", "bob@example.com", true},
		{"prefix elsewhere", Prefix, "ob", "bob@example.com", false},
		{"suffix", Suffix, "@Example.com", "bob@example.com", true},
		{"suffix elsewhere", Suffix, "@example", "bob@example.com", false},
		{"regex", Regex, `\d{4}`, "1234", true},
		{"regex is whole", Regex, `\d{4}`, "12345", false},
		{"regex alternatives are whole", Regex, `a|b`, "ab", false},
		{"regex ignores case", Regex, `.*@EXAMPLE\.com`, "bob@example.com", true},
		{"regex with its own anchors", Regex, `^bob$`, "bob", true},
		{"regex in another script", Regex, `\p{Greek}+`, "σας", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := mustCompile(t, test.typ, test.text)
			if got := p.Match(test.in); got != test.want {
				t.Errorf("%s on %s: %v", p.String(), test.in, got)
			}
		})
	}
}

func TestCompileRefuses(t *testing.T) {
	tests := []struct {
		name string
		typ  Type
		text string
		want string
	}{
		{"empty", Exact, "", "cannot be empty"},
		{"too long", Prefix, strings.Repeat("a", MaxText+1), "longer than 256"},
		{"open group", Regex, "(a", "missing closing )"},
		{"closes what is not open", Regex, "a)(b", "unexpected )"},
		{"look-ahead", Regex, `(?!.*@example\.com).*`, "a rule of its own"},
		{"back reference", Regex, `(a)\1`, "invalid escape"},
		{"too large", Regex, `(a{30}){30}(b{30}){30}(c{30}){30}(d{30}){30}(e{30}){30}`, "smaller counts"},
		{"far too large", Regex, `((a{100}){100}){100}`, "invalid repeat count"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Compile(test.typ, test.text)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want something with %q", err, test.want)
			}
		})
	}
}

func TestRewrite(t *testing.T) {
	tests := []struct {
		name     string
		typ      Type
		text     string
		behavior Behavior
		with     string
		in, want string
	}{
		{"leave", Prefix, "9", Leave, "", "91234", "91234"},
		{"strip a prefix", Prefix, "9", Strip, "", "91234", "1234"},
		{"strip a suffix", Suffix, "@Old.example", Strip, "", "bob@old.example", "bob"},
		{"replace a prefix", Prefix, "00", Replace, "+", "004412", "+4412"},
		{"replace a suffix", Suffix, "@old.example", Replace, "@new.example", "bob@old.example", "bob@new.example"},
		{"replace all", Exact, "help", Replace, "desk@example.com", "help", "desk@example.com"},
		{"replace by groups", Regex, `(\d+)@(.*)\.old`, Replace, `\2-\1@\2.new`, "12@x.old", "x-12@x.new"},
		{"a group that took no part", Regex, `(a)?b`, Replace, `<\1>`, "b", "<>"},
		{"a backslash", Regex, `b`, Replace, `\\x`, "b", `\x`},
		{"add in front", Regex, `\d+`, AddPrefix, "0", "12", "012"},
		{"add behind", Regex, `\d+`, AddSuffix, "@x", "12", "12@x"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r, err := CompileRewrite(mustCompile(t, test.typ, test.text), test.behavior, test.with)
			if err != nil {
				t.Fatal(err)
			}
			got, ok := r.Apply(test.in)
			if !ok || got != test.want {
				t.Errorf("got %q %v, want %q", got, ok, test.want)
			}
			if got, ok := r.Apply("no match"); ok || got != "no match" {
				t.Errorf("what does not match became %q %v", got, ok)
			}
		})
	}
}

func TestRewriteRefuses(t *testing.T) {
	tests := []struct {
		name     string
		typ      Type
		behavior Behavior
		with     string
		want     string
	}{
		{"strip all", Exact, Strip, "", "use replace"},
		{"strip an expression", Regex, Strip, "", "use replace"},
		{"nothing to add", Prefix, AddPrefix, "", "text to add"},
		{"replace all by nothing", Exact, Replace, "", "leave nothing"},
		{"no such group", Regex, Replace, `\2`, `group \2, and the expression has 0`},
		{"backslash at the end", Regex, Replace, `a\`, "backslash"},
		{"too long", Prefix, Replace, strings.Repeat("a", MaxText+1), "longer than"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := CompileRewrite(mustCompile(t, test.typ, "a"), test.behavior, test.with)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want something with %q", err, test.want)
			}
		})
	}
}

// FuzzCompile holds that no pattern panics, and that what it finds by its literal
// parts is what it matches.
func FuzzCompile(f *testing.F) {
	f.Add(uint8(Regex), `(a|b)+@(x|y)\.com`, "a@x.com", `\2\1`)
	f.Add(uint8(Regex), `^K.*ſ$`, "ks", `\\`)
	f.Add(uint8(Prefix), "0", "01", "")
	f.Fuzz(func(t *testing.T, typ uint8, text, name, with string) {
		p, err := Compile(Type(typ%4), text)
		if err != nil || len(name) > 512 {
			return
		}
		name = strings.ToLower(name)
		want := -1
		if p.Match(name) {
			want = 0
		}
		if got := NewSet([]Pattern{p}).First(name); got != want {
			t.Fatalf("%s on %q: the set says %d, the pattern %d", p.String(), name, got, want)
		}
		for _, b := range []Behavior{Leave, Strip, Replace, AddPrefix, AddSuffix} {
			if r, err := CompileRewrite(p, b, with); err == nil {
				r.Apply(name)
			}
		}
	})
}
