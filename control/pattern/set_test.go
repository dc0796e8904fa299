package pattern

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// TestSetIsAllOfItsPatterns compares the set with trying each pattern in turn.
func TestSetIsAllOfItsPatterns(t *testing.T) {
	word := rapid.StringOfN(rapid.RuneFrom([]rune("abksKſ1")), 1, 4, -1)
	regex := rapid.OneOf(
		word,
		rapid.Map(word, func(s string) string { return ".*" + s }),
		rapid.Map(word, func(s string) string { return s + ".*" }),
		rapid.Map(word, func(s string) string { return "(" + s + ")+" }),
		rapid.Map(word, func(s string) string { return s + "|" + s + "1" }),
		rapid.Map(word, func(s string) string { return "(?:" + s + ")?a" }),
		rapid.Map(word, func(s string) string { return "^" + s + ".?" + s + "$" }),
		rapid.Just(`\d{2}.*`),
	)
	rapid.Check(t, func(t *rapid.T) {
		var patterns []Pattern
		for range rapid.IntRange(0, 130).Draw(t, "patterns") {
			typ := Type(rapid.IntRange(0, 3).Draw(t, "type"))
			text := word.Draw(t, "text")
			if typ == Regex {
				text = regex.Draw(t, "regex")
			}
			p, err := Compile(typ, text)
			if err != nil {
				t.Fatal(err)
			}
			patterns = append(patterns, p)
		}
		set := NewSet(patterns)
		name := rapid.StringOfN(rapid.RuneFrom([]rune("abksſ1")), 1, 6, -1).Draw(t, "name")
		want := []int{}
		for i := range patterns {
			if patterns[i].Match(name) {
				want = append(want, i)
			}
		}
		got := []int{}
		var hits Hits
		set.Candidates(&hits, name)
		for i := hits.Next(0); i >= 0; i = hits.Next(i + 1) {
			if set.Pattern(i).Match(name) {
				got = append(got, i)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("%q: the set has %v, want %v", name, got, want)
		}
		first := -1
		if len(want) > 0 {
			first = want[0]
		}
		if got := set.First(name); got != first {
			t.Fatalf("%q: first is %d, want %d", name, got, first)
		}
	})
}

// BenchmarkSetFirst looks one name up among 3000 patterns of all types; the first
// that matches is the last. It leaves out making the name canonical.
func BenchmarkSetFirst(b *testing.B) {
	var patterns []Pattern
	for i := range 3000 {
		typ, text := Exact, fmt.Sprintf("user%d@example.com", i)
		switch i % 4 {
		case 1:
			typ, text = Prefix, fmt.Sprintf("%d", 5000+i)
		case 2:
			typ, text = Suffix, fmt.Sprintf("@site%d.example.com", i)
		case 3:
			typ, text = Regex, fmt.Sprintf(`\d{4}@site%d\.example\.com`, i)
		}
		patterns = append(patterns, mustCompile(b, typ, text))
	}
	set := NewSet(patterns)
	b.ReportAllocs()
	for b.Loop() {
		if set.First("1234@site2999.example.com") != 2999 {
			b.Fatal("not found")
		}
	}
}
