package config

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"
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

// Port is a port, or 0: off.
type Port uint16

// UnmarshalText reads a port or "off".
func (p *Port) UnmarshalText(text []byte) error {
	if string(text) == "off" {
		*p = 0
		return nil
	}
	n, err := strconv.ParseUint(string(text), 10, 16)
	*p = Port(n)
	return err
}

// String returns the port or "off".
func (p Port) String() string {
	if p == 0 {
		return "off"
	}
	return strconv.Itoa(int(p))
}

// Seconds is a time in whole seconds.
type Seconds int

// Duration returns the time.
func (s Seconds) Duration() time.Duration { return time.Duration(s) * time.Second }

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

// String returns the prefix; empty when there is none.
func (p AddrPrefix) String() string {
	if !p.IsValid() {
		return ""
	}
	return p.Prefix.String()
}

// HostPort is another system: an address or DNS name, and a port or 0 when the
// protocol's own is meant.
type HostPort struct {
	Host string
	Port uint16
}

// UnmarshalText reads HOST, HOST:PORT, ADDRESS, or [ADDRESS]:PORT.
func (h *HostPort) UnmarshalText(text []byte) error {
	s := string(text)
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		*h = HostPort{Host: a.Unmap().String()}
		return nil
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		host, port = s, "0"
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || !isHost(host) || (n == 0) != (port == "0" && host == s) {
		return fmt.Errorf("want an address or a name, with or without a port: 192.0.2.1:5060, sip.example.org")
	}
	if a, err := netip.ParseAddr(host); err == nil {
		host = a.Unmap().String()
	}
	*h = HostPort{Host: host, Port: uint16(n)}
	return nil
}

// Addr returns the address; invalid when the host is a name.
func (h HostPort) Addr() netip.Addr {
	a, _ := netip.ParseAddr(h.Host)
	return a
}

// String returns the host as it is written; empty when there is none.
func (h HostPort) String() string {
	if h.Port == 0 {
		return h.Host
	}
	return net.JoinHostPort(h.Host, strconv.Itoa(int(h.Port)))
}

// label is a label as it may stand in file names and host names.
var label = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)

// isHost reports whether s is an address or a DNS name.
func isHost(s string) bool {
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Zone() == ""
	}
	return isDomain(s)
}

// isDomain reports whether s is a DNS name: labels of letters, digits and hyphens,
// the last of which begins with a letter (CL-11).
func isDomain(s string) bool {
	labels := strings.Split(s, ".")
	for _, l := range labels {
		if !label.MatchString(l) {
			return false
		}
	}
	last := labels[len(labels)-1][0]
	return len(s) <= 253 && (last < '0' || last > '9')
}
