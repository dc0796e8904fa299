// Package alias is what somebody is called by: a SIP URI, an H.323 id, an E.164
// number or an IP address, as one comparable value.
//
// It exists because the same party arrives in many spellings (sip:Bob@Example.COM,
// bob%40 escapes, +1 (201) 555, an H.323 id that reads like a URI), and whoever
// decides by names must see one. A rule that refuses a name has to refuse all of
// its spellings; so where the RFCs leave a doubt, two spellings are one name.
//
// How a name is made canonical:
//
//   - The scheme (sip, sips, h323, tel), a password, URI parameters and headers are
//     not part of the name (RFC 3261 section 19.1.1, RFC 3508).
//   - Case does not count, also in the user part (RFC 3261 section 19.1.4 keeps it
//     there; users that differ in case only would be traps, and H.323 ids ignore it).
//   - Escapes are decoded, except of '@', ':' and '%', which stay so that a name
//     reads back as itself (section 19.1.4 keeps more of them).
//   - A number loses its visual separators "-.()" and its parameters where the URI
//     says that it is one: tel, or user=phone (RFC 3966 section 5.1.1, RFC 3261
//     section 19.1.6).
//   - The domain loses the dot of the root; addresses are written by RFC 5952; an
//     IPv4 address in IPv6 is the IPv4 address.
//   - A port is kept beside the name: patterns do not see it, a direct call uses it.
package alias

import (
	"fmt"
	"net/netip"
	"strings"
)

// MaxLength bounds an alias in bytes: 256 characters of an H.323 id (H.225.0,
// h323-ID) take up to twice as many in UTF-8 in all but rare scripts.
const MaxLength = 512

// Kind is the form of an alias.
type Kind uint8

// Kinds.
const (
	None Kind = iota
	URI       // user@domain
	E164      // digits, '*', '#' and ',', perhaps behind a '+'
	ID        // any other text: an H.323 id
	IP        // an IPv4 or IPv6 address
)

var kindNames = [...]string{"none", "uri", "e164", "id", "ip"}

// String returns the kind as traces show it.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Alias is a canonical alias. Two aliases of the same party have the same Name.
type Alias struct {
	// Name is what patterns are matched against and registrations are found by.
	Name string
	Kind Kind
	// Port of the host or address; 0: none was given.
	Port uint16
	// addr is the address of an IP alias, or of a URI whose host is one.
	addr netip.Addr
}

// FromAddr returns the alias of an address; port 0 is none.
func FromAddr(a netip.AddrPort) Alias {
	addr := a.Addr().Unmap().WithZone("")
	return Alias{Name: addr.String(), Kind: IP, Port: a.Port(), addr: addr}
}

// Addr returns the address that the alias names, as itself or as its host; the zero
// Addr when it names none.
func (a Alias) Addr() netip.Addr { return a.addr }

// AddrPort returns the address with the port, or with a default.
func (a Alias) AddrPort(port uint16) netip.AddrPort {
	if a.Port != 0 {
		port = a.Port
	}
	return netip.AddrPortFrom(a.addr, port)
}

// Domain returns what stands behind the '@'; empty when there is none.
func (a Alias) Domain() string {
	if a.Kind != URI {
		return ""
	}
	_, domain, _ := strings.Cut(a.Name, "@")
	return domain
}

// String returns the name with its port.
func (a Alias) String() string {
	switch {
	case a.Port == 0:
		return a.Name
	case a.Kind == IP:
		return netip.AddrPortFrom(a.addr, a.Port).String()
	}
	return fmt.Sprintf("%s:%d", a.Name, a.Port)
}

// SIP returns the alias as a SIP URI. What has no domain gets one; an empty domain
// is left out.
func (a Alias) SIP(domain string) string {
	if a.Kind == IP && a.addr.Is6() {
		return "sip:[" + a.addr.String() + "]" + a.port()
	}
	if a.Kind == URI {
		user, host, _ := strings.Cut(a.Name, "@")
		return "sip:" + escape(user, true) + "@" + host + a.port()
	}
	if a.Kind == IP || domain == "" {
		return "sip:" + escape(a.Name, false) + a.port()
	}
	return "sip:" + escape(a.Name, false) + "@" + domain
}

func (a Alias) port() string {
	if a.Port == 0 {
		return ""
	}
	return fmt.Sprintf(":%d", a.Port)
}

// MarshalText writes the alias for JSON.
func (a Alias) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads an alias.
func (a *Alias) UnmarshalText(text []byte) error {
	parsed, err := Parse(string(text))
	*a = parsed
	return err
}
