package places

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

// draft is a place whose hop is known, or has to be asked name servers for: then each
// hop that they say makes a place.
type draft struct {
	Place
	ask        *message.URI
	from       netip.Addr // our address to come from; invalid: by route
	unverified bool       // the certificate there may be anybody's
}

// waits says whether a name server has to be asked.
func (d draft) waits() bool {
	if d.ask == nil {
		return false
	}
	_, isAddress := d.ask.IP()
	return !isAddress
}

// places completes drafts whose hops are known.
func (f *Finder) places(drafts []draft) ([]Place, error) {
	var out []Place
	failed := ErrNowhere
	for _, d := range drafts {
		if len(out) == MaxPlaces {
			break
		}
		p, err := f.complete(d.Place)
		if err != nil { // no way there: another place may have one
			failed = errors.Join(ErrNowhere, err)
			continue
		}
		out = append(out, p)
	}
	if len(out) == 0 {
		return nil, failed
	}
	return out, nil
}

// complete adds what our side says of a place.
func (f *Finder) complete(p Place) (Place, error) {
	local, err := f.Ways.Local(p.Hop)
	if err != nil {
		return p, err
	}
	p.Side = local.Addr()
	p.Nearby = f.Internal(p.Side)
	return p, nil
}

// later asks name servers for what is missing and posts the places to whoever waits.
func (f *Finder) later(on Poster, drafts []draft, done func([]Place, error)) {
	ctx, cancel := context.WithTimeout(f.ctx, f.Timeout)
	defer cancel()
	list, err := f.finish(ctx, drafts)
	f.post(on, func() { done(list, err) })
}

// finish makes places of drafts.
func (f *Finder) finish(ctx context.Context, drafts []draft) ([]Place, error) {
	all, failed := f.resolve(ctx, drafts)
	list, err := f.places(all)
	if err != nil && failed != nil {
		err = failed
	}
	return list, err
}

// resolve replaces drafts without a hop by one for each hop that there is.
func (f *Finder) resolve(ctx context.Context, drafts []draft) (out []draft, failed error) {
	for _, d := range drafts {
		if d.ask == nil {
			out = append(out, d)
			continue
		}
		hops, err := f.Locator.Find(ctx, *d.ask)
		if err != nil {
			failed = err
		}
		for _, h := range hops {
			next := d
			next.ask, next.Hop = nil, d.over(h)
			out = append(out, next)
		}
	}
	return out, failed
}

// over is a hop as a draft takes it.
func (d *draft) over(h transport.Hop) transport.Hop {
	if h.Local = d.from; h.Local.IsValid() && h.Local.Is4() != h.Remote.Addr().Is4() {
		h.Local = netip.Addr{}
	}
	if d.unverified {
		h.Name = ""
	}
	return h
}

// patience is how long a shard whose mailbox is full is asked again. Who waits for an
// answer would otherwise wait for ever.
const patience = 20 * time.Millisecond

func (f *Finder) post(on Poster, answer func()) {
	for !on.Post(answer) {
		select {
		case <-f.ctx.Done():
			return
		case <-time.After(patience):
		}
	}
}
