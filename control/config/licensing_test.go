package config

import (
	"crypto/ed25519"
	"encoding/base64"
	"strings"
	"testing"

	"turnpike.dev/turnpike/licensing"
)

// LI-01: a document tells of keys that count on no node, and refuses what is no issuer.
func TestKeysOfADocument(t *testing.T) {
	private := ed25519.NewKeyFromSeed([]byte(strings.Repeat("k", ed25519.SeedSize)))
	public := base64.RawURLEncoding.EncodeToString(private.Public().(ed25519.PublicKey))
	key, err := licensing.Key{Feature: licensing.RoomSystem, Count: 5, Node: "n", Serial: "s1"}.Sign(private)
	if err != nil {
		t.Fatal(err)
	}
	issuers := "licensing: {issuers: [{name: test, public_key: " + public + "}]}\n"
	for name, tc := range map[string]struct{ text, remark string }{
		"none":         {"", ""},
		"good":         {issuers + "option_keys: [{name: " + key + "}]\n", ""},
		"no issuer":    {"option_keys: [{name: " + key + "}]\n", "licensing.issuers: no issuer is named"},
		"changed":      {issuers + "option_keys: [{name: " + strings.Replace(key, ".5.", ".6.", 1) + "}]\n", "option_keys[1]: it does not count: the option key was changed"},
		"another kind": {issuers + "option_keys: [{name: 1X4757T5-1-60BAD5CD}]\n", "option_keys[1]: it does not count: this is not an option key"},
	} {
		t.Run(name, func(t *testing.T) {
			n, err := Parse("node.yaml", []byte("system: {name: tp1}\n"+tc.text))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range Remarks(n) {
				got = append(got, r.String())
			}
			if all := strings.Join(got, "\n"); (all == "") != (tc.remark == "") || !strings.HasPrefix(all, tc.remark) {
				t.Errorf("got %q, want %q", all, tc.remark)
			}
		})
	}
	_, err = Parse("node.yaml", []byte("system: {name: tp1}\nlicensing: {issuers: [{name: test, public_key: "+strings.Repeat("x.", 21)+"x"+"}]}\n"))
	if err == nil || !strings.Contains(err.Error(), "turnpike licence keygen") {
		t.Errorf("what is no key of an issuer: %v", err)
	}
	if d := (Licensing{}).Desktops(); len(d) == 0 {
		t.Error("no desktop device is known")
	}
	if d := (Licensing{DesktopDevices: []string{"x"}}).Desktops(); len(d) != 1 {
		t.Errorf("%v are desktop devices", d)
	}
}
