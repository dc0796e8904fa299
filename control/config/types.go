package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Switch is a key that is on or off.
type Switch bool

// UnmarshalText reads "on" or "off".
func (s *Switch) UnmarshalText(text []byte) error {
	switch string(text) {
	case "on":
		*s = true
	case "off":
		*s = false
	default:
		return fmt.Errorf("want on or off")
	}
	return nil
}

// String returns "on" or "off".
func (s Switch) String() string {
	if s {
		return "on"
	}
	return "off"
}

// Role is a node's place: core or edge (CL-21).
type Role string

// Roles.
const (
	RoleCore Role = "C"
	RoleEdge Role = "E"
)

// UnmarshalText reads a role.
func (r *Role) UnmarshalText(text []byte) error {
	return oneOf(r, text, RoleCore, RoleEdge)
}

// PathMode says which back end may relay.
type PathMode string

// Path modes: PathAuto takes XDP where it can; PathXDP refuses to start without
// it; PathUserspace leaves the kernel alone.
const (
	PathAuto      PathMode = "auto"
	PathXDP       PathMode = "xdp"
	PathUserspace PathMode = "userspace"
)

// UnmarshalText reads a path mode.
func (m *PathMode) UnmarshalText(text []byte) error {
	return oneOf(m, text, PathAuto, PathXDP, PathUserspace)
}

// Level is the least severe level that is logged.
type Level string

// UnmarshalText reads a level.
func (l *Level) UnmarshalText(text []byte) error {
	return oneOf(l, text, "debug", "info", "warn", "error")
}

// Secret is a password or a key: it never shows in text.
type Secret string

// String hides the secret.
func (Secret) String() string { return "***" }

// GoString hides the secret.
func (Secret) GoString() string { return "***" }

// MarshalText hides the secret.
func (Secret) MarshalText() ([]byte, error) { return []byte("***"), nil }

// Listen is a TCP address, or off (the zero value).
type Listen struct{ netip.AddrPort }

// UnmarshalText reads "off" or ADDRESS:PORT.
func (l *Listen) UnmarshalText(text []byte) error {
	if string(text) == "off" {
		*l = Listen{}
		return nil
	}
	a, err := netip.ParseAddrPort(string(text))
	if err != nil {
		return fmt.Errorf("want off or ADDRESS:PORT, for example 127.0.0.1:9464")
	}
	l.AddrPort = a
	return nil
}

// String returns the address or "off".
func (l Listen) String() string {
	if !l.IsValid() {
		return "off"
	}
	return l.AddrPort.String()
}

// AddrPrefix is a prefix; a single address means all of its bits.
type AddrPrefix struct{ netip.Prefix }

// UnmarshalText reads ADDRESS/BITS or ADDRESS.
func (p *AddrPrefix) UnmarshalText(text []byte) error {
	s := string(text)
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		a = a.Unmap()
		p.Prefix = netip.PrefixFrom(a, a.BitLen())
		return nil
	}
	prefix, err := netip.ParsePrefix(s)
	if err != nil {
		return fmt.Errorf("want an address or a prefix, for example 10.0.0.0/8")
	}
	if prefix != prefix.Masked() {
		return fmt.Errorf("has bits behind the prefix length: write %s", prefix.Masked())
	}
	p.Prefix = prefix
	return nil
}

// oneOf reads one of a few words, exactly as they are written.
func oneOf[T ~string](dst *T, text []byte, words ...T) error {
	if slices.Contains(words, T(text)) {
		*dst = T(text)
		return nil
	}
	names := make([]string, len(words))
	for i, w := range words {
		names[i] = string(w)
	}
	for _, w := range names {
		if strings.EqualFold(w, string(text)) {
			return fmt.Errorf("is written %s", w)
		}
	}
	last := len(names) - 1
	return fmt.Errorf("want %s or %s", strings.Join(names[:last], ", "), names[last])
}
