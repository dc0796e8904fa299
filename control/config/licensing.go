package config

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"

	"turnpike.dev/turnpike/licensing"
)

// Licensing says whose option keys count and how licences are counted (LI-01).
type Licensing struct {
	Issuers []Issuer `yaml:"issuers"`
	// DesktopDevices are parts of the User-Agent of devices that take a desktop licence.
	DesktopDevices []string `yaml:"desktop_devices"`
	// Policy is that of licences and of the capacity that a cluster shares out.
	Policy SharingPolicy `yaml:"policy"`
	// WarnAt is how full, in percent, a limit is when an alarm warns; 0: never.
	WarnAt int `yaml:"warn_at"`
}

// Issuer is somebody whose option keys count here.
type Issuer struct {
	Index     int    `yaml:"-"`
	Name      string `yaml:"name"`
	PublicKey string `yaml:"public_key"` // Ed25519, unpadded base64url
}

// OptionKey is an installed licence or feature (LI-01).
type OptionKey struct {
	Index int    `yaml:"-"`
	Name  string `yaml:"name"` // the key itself
}

// Key returns the issuer's public key.
func (i Issuer) Key() (ed25519.PublicKey, error) {
	key, err := base64.RawURLEncoding.Strict().DecodeString(i.PublicKey)
	if err != nil || len(key) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("this is no public key of an issuer: copy the 43 characters that `turnpike licence keygen` shows")
	}
	return key, nil
}

// desktopDevices are the devices that take a desktop licence unless the configuration
// names others (facts A3): small ones and clients on computers, as they call themselves.
func desktopDevices() []string {
	return []string{"EX60", "EX90", "DX70", "DX80", "Jabber", "Movi"}
}

// Desktops returns what the User-Agent of a desktop device has in it.
func (l Licensing) Desktops() []string {
	if len(l.DesktopDevices) == 0 {
		return desktopDevices()
	}
	return l.DesktopDevices
}

func licensingItems() []Item {
	keys := peer(
		Item{Path: "option_keys", X: "Option", Kind: entries("option key", licensing.MaxKeys), Kept: true, Restart: RestartNone, Text: "Licences and features of this node; `turnpike licence add` checks them first."},
		Item{Path: "option_keys[].name", X: "Option [] Key", Kind: text(1, licensing.MaxKey), Required: true, Kept: true, Restart: RestartNone, Text: "The key."},
	)
	shared := live(
		Item{Path: "licensing.issuers", X: "Licensing Issuer", Kind: entries("issuer", 8), Kept: true, Text: "Whose option keys count. Without any, none do: nobody is built in."},
		Item{Path: "licensing.issuers[].name", X: "Licensing Issuer [] Name", Kind: text(1, 50), Required: true, Kept: true, Text: "Who it is."},
		Item{Path: "licensing.issuers[].public_key", X: "Licensing Issuer [] PublicKey", Kind: text(43, 43).shown("43 characters of base64url"), Required: true, Kept: true, Text: "Ed25519 key that checks what the issuer signed."},
		Item{Path: "licensing.desktop_devices", X: "Licensing DesktopDevice [] UserAgent", Kind: text(1, 60).many(50), Unset: "EX60, EX90, DX70, DX80, Jabber, Movi", Text: "SIP devices with this in their User-Agent, in any case, take a desktop licence; others a room licence."},
		Item{Path: "licensing.policy", X: "Licensing Sharing Policy", Kind: words("available=Available", "strict=Strict"), Default: "available", Text: "Licences and capacity that a lost peer of the cluster has: `available`: the others take them over, and each side of a partition counts for itself; `strict`: they stay the lost peer's."},
		Item{Path: "licensing.warn_at", X: "ResourceUsage Warning Activation Level", Kind: integer(0, 100), Default: "90", Text: "How full, in percent, a limit is when an alarm warns; 0: never."},
	)
	return append(keys, shared...)
}

// licensing checks what issuers are known by.
func (c checker) licensing() {
	for _, i := range c.n.Licensing.Issuers {
		if _, err := i.Key(); err != nil {
			at := fmt.Sprintf("licensing.issuers[%d].public_key", i.Index)
			c.wrong(at, at+" cannot be used", err.Error())
		}
	}
}

// keys tells of option keys that count on no node. Whether one counts on this node, and
// today, a document cannot know: an alarm says it where it runs.
func (w *wonder) keys() {
	if len(w.n.OptionKeys) > 0 && len(w.n.Licensing.Issuers) == 0 {
		w.say("licensing.issuers", "add the public key of whom the keys are from", "no issuer is named, so none of %d option keys counts", len(w.n.OptionKeys))
		return
	}
	var issuers []ed25519.PublicKey
	for _, i := range w.n.Licensing.Issuers {
		if key, err := i.Key(); err == nil {
			issuers = append(issuers, key)
		}
	}
	for _, k := range w.n.OptionKeys {
		if _, err := licensing.ParseKey(k.Name, issuers...); err != nil {
			w.say(fmt.Sprintf("option_keys[%d]", k.Index), "take it out", "it does not count: %v", err)
		}
	}
}
