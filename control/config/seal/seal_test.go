package seal

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// OP-02
func TestOnlyTheKeyOpens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		path, text := rapid.String().Draw(t, "path"), rapid.String().Draw(t, "text")
		ring := New()
		sealed := ring.Seal(path, text)
		if len(text) > 3 && strings.Contains(sealed, text) || sealed == ring.Seal(path, text) {
			t.Fatal("the seal tells something")
		}
		read, err := Parse(ring.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := read.Open(path, sealed); err != nil || got != text {
			t.Fatalf("%q, %v", got, err)
		}
		if _, err := ring.Open(path+"x", sealed); err == nil {
			t.Fatal("it opens for another item")
		}
		if _, err := New().Open(path, sealed); !errors.Is(err, ErrNoKey) {
			t.Fatalf("with another key: %v", err)
		}
		renewed := ring.Renewed()
		if got, err := renewed.Open(path, sealed); err != nil || got != text || renewed.ID() == ring.ID() || !renewed.Renewing() {
			t.Fatalf("with the key renewed: %q, %v", got, err)
		}
		if _, err := renewed.Newest().Open(path, sealed); !errors.Is(err, ErrNoKey) {
			t.Fatalf("with the old key forgotten: %v", err)
		}
	})
}

func FuzzOpen(f *testing.F) {
	ring := New()
	f.Add(ring.Seal("p", "text"))
	f.Add(ring.ID() + ":")
	f.Add("")
	f.Fuzz(func(t *testing.T, sealed string) {
		if _, err := ring.Open("q", sealed); err == nil {
			t.Error("opened what was not sealed")
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add(New().Bytes())
	f.Add([]byte(`{"keys":[{"id":"","key":""}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if r, err := Parse(data); err == nil && r.Seal("a", "b") == "" {
			t.Error("a ring without a key")
		}
	})
}
