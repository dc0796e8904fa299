package locate

import (
	"net/netip"
	"strings"

	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip/message"
)

// plan is what has to be asked for a URI.
type plan struct {
	host     string
	address  netip.Addr // valid: the host is one, and nobody has to be asked
	services []service  // whose SRV records are asked for, in order of preference
	fallback loop.Transport
	port     uint16 // with fallback, where there is no SRV record
}

// service is something that SRV records are asked for.
type service struct {
	prefix    string
	transport loop.Transport
}

var (
	overTLS = service{"_sips._tcp.", loop.TLS}
	overTCP = service{"_sip._tcp.", loop.TCP}
	overUDP = service{"_sip._udp.", loop.UDP}
)

// planFor chooses transport and port, or what has to be asked for them (RFC 3263
// sections 4.1 and 4.2).
func planFor(uri message.URI) (plan, error) {
	secure := strings.EqualFold(uri.Scheme, "sips")
	t, given, err := transportOf(uri, secure)
	if err != nil {
		return plan{}, err
	}
	p := plan{host: uri.Host, fallback: t, port: uri.Port}
	if p.port == 0 {
		p.port = defaultPort(t)
	}
	if a, ok := numeric(uri.Host); ok {
		p.address = a
		return p, nil
	}
	if uri.Port != 0 {
		return p, nil
	}
	switch {
	case t == loop.TLS:
		p.services = []service{overTLS}
	case given && t == loop.TCP:
		p.services = []service{overTCP}
	case given:
		p.services = []service{overUDP}
	default:
		p.services = []service{overTLS, overTCP, overUDP}
	}
	return p, nil
}

// transportOf returns the transport that a URI asks for, or that it has without asking.
// transport=tls is deprecated (RFC 3261 section 26.2.2) and common; TCP under sips is TLS.
func transportOf(uri message.URI, secure bool) (t loop.Transport, given bool, err error) {
	asked, given := uri.Params.Get("transport")
	switch {
	case !given && secure:
		return loop.TLS, false, nil
	case !given:
		return loop.UDP, false, nil
	}
	switch asked = strings.ToLower(asked); {
	case asked == "tls", asked == "tcp" && secure:
		return loop.TLS, true, nil
	case asked == "tcp":
		return loop.TCP, true, nil
	case asked == "udp" && !secure:
		return loop.UDP, true, nil
	}
	return loop.UDP, true, ErrTransport
}

func defaultPort(t loop.Transport) uint16 {
	if t == loop.TLS {
		return 5061
	}
	return 5060
}

// numeric reads a host that is an address, with or without brackets.
func numeric(host string) (netip.Addr, bool) {
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	a, err := netip.ParseAddr(host)
	if err != nil || a.Zone() != "" {
		return netip.Addr{}, false
	}
	return a.Unmap(), true
}
