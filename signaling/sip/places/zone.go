package places

import (
	"fmt"
	"net/netip"

	"turnpike.dev/turnpike/control/dialplan"
	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

// zone gives the peers of a zone in the order that the dial plan chose (RG-06).
func (f *Finder) zone(t *dialplan.Target) ([]draft, error) {
	settings := f.Neighbours.Settings(t.Zone)
	var out []draft
	for i := range t.Order.Len() {
		for _, h := range f.Neighbours.Hops(t.Zone, t.Order.At(i)) {
			uri, err := f.uriAt(t, h)
			if err != nil {
				return nil, fmt.Errorf("call %s in zone %s: %w", t.Alias, t.Zone.Name, err)
			}
			d := draft{Place: Place{URI: uri, Hop: h, Zone: t.Zone}}
			if settings.NAT {
				d.NAT = h.Remote.Addr()
			}
			out = append(out, d)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("zone %s: %w", t.Zone.Name, ErrNowhere)
	}
	return out, nil
}

// uriAt is what a target is called at a hop. A name without a domain, or with an address
// of ours in the place of one, means nothing there: it gets the hop's address.
func (f *Finder) uriAt(t *dialplan.Target, h transport.Hop) (message.URI, error) {
	uri, err := message.ParseURI(t.Alias.SIP("here.invalid"))
	if err != nil {
		return uri, err
	}
	if ours := t.Alias.Addr(); ours.IsValid() && f.Own(ours) || t.Alias.Domain() == "" && !ours.IsValid() {
		uri.Host, uri.Port = h.Remote.Addr().String(), h.Remote.Port()
	}
	return uri, nil
}

// domain gives the servers of the alias's domain (RFC 3263). What the zone says of
// transport and certificates holds for all of them.
func (f *Finder) domain(t *dialplan.Target) ([]draft, error) {
	settings := f.Neighbours.Settings(t.Zone)
	uri, err := message.ParseURI(t.Alias.SIP(""))
	if err != nil {
		return nil, fmt.Errorf("call %s by DNS: %w", t.Alias, err)
	}
	ask := uri
	if settings.Given {
		ask.Params = ask.Params.With("transport", settings.Transport.String())
	}
	return []draft{{Place: Place{URI: uri, Zone: t.Zone}, ask: &ask, unverified: !settings.Verify}}, nil
}

// address gives the address that was called. It says no transport: UDP (RFC 3263
// section 4.1).
func (f *Finder) address(t *dialplan.Target) ([]draft, error) {
	uri, err := message.ParseURI(t.Alias.SIP(""))
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", t.Alias, err)
	}
	to := t.Address
	if to.Port() == 0 {
		to = netip.AddrPortFrom(to.Addr(), 5060)
	}
	return []draft{{Place: Place{URI: uri, Hop: transport.Hop{Transport: loop.UDP, Remote: to}, Zone: t.Zone}}}, nil
}
