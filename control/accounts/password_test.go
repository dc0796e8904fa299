package accounts

import (
	"errors"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cheap is the hash of "correct horse" with the least that a hash may cost.
const cheap = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$H9YweMwoZaKj+u6urw6adAxV6iLhNwQ/DYbynE6J72M"

func TestHash(t *testing.T) {
	text, err := Hash("correct horse")
	if err != nil {
		t.Fatal(err)
	}
	h, err := parse(text)
	if err != nil || !h.is("correct horse") || h.is("correct horsf") || h.is("") {
		t.Errorf("%s: %v", text, err)
	}
	if again, _ := Hash("correct horse"); again == text {
		t.Error("two hashes of one password are the same")
	}
	if strings.Contains(text, "horse") || len(text) > 255 {
		t.Errorf("%s does not fit the configuration", text)
	}
	for _, wrong := range []string{"", "too short", strings.Repeat("x", MaxPassword+1)} {
		if _, err := Hash(wrong); err == nil {
			t.Errorf("a password of %d bytes was taken", len(wrong))
		}
	}
}

func TestParse(t *testing.T) {
	tests := []struct {
		name, text string
		ok         bool
	}{
		{"least", cheap, true},
		{"plain", "secret", false},
		{"empty", "", false},
		{"argon2i", strings.Replace(cheap, "argon2id", "argon2i", 1), false},
		{"another version", strings.Replace(cheap, "v=19", "v=16", 1), false},
		{"too much memory", strings.Replace(cheap, "m=8", "m=1048576", 1), false},
		{"more than a number holds", strings.Replace(cheap, "m=8", "m=99999999999", 1), false},
		{"too many passes", strings.Replace(cheap, "t=1", "t=1000", 1), false},
		{"no pass", strings.Replace(cheap, "t=1", "t=0", 1), false},
		{"no lane", strings.Replace(cheap, "p=1", "p=0", 1), false},
		{"negative", strings.Replace(cheap, "m=8", "m=-8", 1), false},
		{"less memory than lanes need", strings.Replace(cheap, "m=8", "m=7", 1), false},
		{"short salt", strings.Replace(cheap, "c2FsdHNhbHQ", "c2Fs", 1), false},
		{"no base64", strings.Replace(cheap, "c2FsdHNhbHQ", "c2Fsd!NhbHQ", 1), false},
		{"more behind", cheap + "$", false},
		{"more in the parameters", strings.Replace(cheap, "p=1", "p=1,x=2", 1), false},
		{"padded number", strings.Replace(cheap, "m=8", "m=08", 1), false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if err := Check(test.text); (err == nil) != test.ok || err != nil && !errors.Is(err, ErrHash) {
				t.Errorf("got %v", err)
			}
		})
	}
	h, err := parse(cheap)
	if err != nil || !h.is("correct horse") {
		t.Errorf("the hash of the tests is of another password: %v", err)
	}
}

// FuzzParse: no text makes a hash that costs more than the bounds, and what is read is
// written as it was.
func FuzzParse(f *testing.F) {
	f.Add(cheap)
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := parse(text)
		if err != nil {
			return
		}
		if h.memoryKiB > maxMemoryKiB || h.passes > maxPasses || h.lanes > maxLanes || h.String() != text {
			t.Errorf("%q: %+v", text, h)
		}
	})
}

// BenchmarkHash is what one log-in costs; the guard lets one run at a time.
func BenchmarkHash(b *testing.B) {
	b.ReportAllocs()
	h := nobodys()
	for b.Loop() {
		h.is("correct horse")
	}
}
