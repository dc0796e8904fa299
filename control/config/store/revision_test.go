package store

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/config/seal"
)

// Values are written once for file and digest; both must stay what other versions make.
func TestContent(t *testing.T) {
	values := config.Values(parse(t, "system: {name: tp1}\ninterfaces: {external: {name: s1}}\nturn: {users: [{name: '<u&>', password: p}], secrets: [a, b]}\n"))
	c, err := contentOf(values)
	if err != nil {
		t.Fatal(err)
	}
	h := sha256.New()
	e := json.NewEncoder(h)
	for _, v := range values {
		if !v.Item.Peer {
			_ = e.Encode(v)
		}
	}
	if want := hex.EncodeToString(h.Sum(nil)[:16]); c.digest() != want {
		t.Errorf("digest %s, want %s", c.digest(), want)
	}
	data, err := c.encode(Info{Number: 1}, seal.New())
	if err != nil {
		t.Fatal(err)
	}
	_, body, err := split(data)
	if err != nil {
		t.Fatal(err)
	}
	var got []config.Value
	if err := json.Unmarshal(body, &got); err != nil || len(got) != len(values) {
		t.Fatalf("%d values, want %d: %v", len(got), len(values), err)
	}
	for i, v := range values {
		v.Item = nil
		if values[i].Item.Secret() {
			continue // TestSecretsAreSealed looks at them
		}
		if diff := cmp.Diff(v, got[i]); diff != "" {
			t.Error(diff)
		}
	}
}
