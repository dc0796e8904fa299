package resources

import (
	"turnpike.dev/turnpike/control/admission"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/licensing"
)

// limits are the counters that are not of bandwidth.
type limits struct {
	calls         *admission.Counter // in units of a call
	rms           *admission.Counter // in halves
	registrations *admission.Counter
	room, desktop *admission.Counter
	proxied       *admission.Counter
	relays        *admission.Counter
}

func newLimits() limits {
	of := func(name string) *admission.Counter { return admission.NewCounter(name, 0) }
	return limits{
		calls: of(LevelCalls), rms: of(LevelRMS), registrations: of(LevelRegistrations),
		room: of(LevelRoom), desktop: of(LevelDesktop), proxied: of(LevelProxied), relays: of(LevelRelays),
	}
}

// set moves the ceilings to what platform, configuration and option keys give together.
// Without a key of licences the platform's limits alone count: the node runs in evaluation. Where licences are
// pooled with other peers their ceilings stay: licences is what this node brings.
func (l *limits) set(p config.PlatformName, n *config.Node, in licensing.Installed, pooled bool) (_ admission.Capacity, licences map[*admission.Counter]uint32) {
	capacity := capacityOf(p, n)
	of := p.Limits()
	l.calls.Set(capacity.Total)
	l.registrations.Set(ceiling(n.MaxRegistrations()))
	l.proxied.Set(ceiling(of.ProxiedRegistrations))
	l.relays.Set(ceiling(n.MaxRelays()))

	most := licensing.Pool{HalfRMS: halvesOf(p, n), Room: n.MaxRegistrations(), Desktop: n.MaxRegistrations()}
	has := most
	if in.Keyed {
		has = in.Pool
	}
	licences = map[*admission.Counter]uint32{
		l.rms: ceiling(min(has.HalfRMS, most.HalfRMS)), l.room: ceiling(min(has.Room, most.Room)), l.desktop: ceiling(min(has.Desktop, most.Desktop)),
	}
	for c, n := range licences {
		if !pooled {
			c.Set(n)
		}
	}
	return capacity, licences
}

// capacityOf is how the platform counts calls. Of platform custom it is as many audio
// calls as configured, of which a video call uses two.
func capacityOf(p config.PlatformName, n *config.Node) admission.Capacity {
	if p == config.PlatformCustom {
		calls := ceiling(max(n.MaxCalls(), 1))
		video := min(2, calls)
		return admission.Capacity{Total: calls, Video: video, MRA: video, Audio: 1}
	}
	of := p.Limits()
	return admission.CapacityOf(of.VideoCalls, of.MRAVideoCalls, of.AudioCalls)
}

// halvesOf is how many half rich media sessions the platform carries. Platform custom
// carries them on all of its calls.
func halvesOf(p config.PlatformName, n *config.Node) int {
	if p == config.PlatformCustom {
		return max(2*p.Limits().RMSLicences, 2*n.MaxCalls())
	}
	return 2 * p.Limits().RMSLicences
}

// ceiling is a limit as counters have it.
func ceiling(n int) uint32 { return uint32(min(max(n, 0), admission.Unlimited-1)) }
