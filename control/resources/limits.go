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
	whole         capacity // of the cluster
}

// capacity is what a cluster carries that counts as fewer peers than it has (CA-02). Elsewhere it is only counted.
type capacity struct{ calls, registrations, proxied, relays *admission.Counter }

// Names of the cluster's capacity in the ledger.
const (
	WholeCalls         = "cluster calls" // in units of which a video call takes most
	WholeRegistrations = "cluster registrations"
	WholeProxied       = "cluster proxied"
	WholeRelays        = "cluster relays"
)

func newLimits(l *lending) limits {
	of := func(name string) *admission.Counter { return admission.NewCounter(name, 0) }
	shared := func(kind PartKind, name string) *admission.Counter {
		return l.add(&part{name: name, kind: kind, counter: admission.NewCounter(name, admission.Unlimited)}).counter
	}
	return limits{
		calls: of(LevelCalls), rms: shared(LicencePart, LevelRMS), registrations: of(LevelRegistrations),
		room: shared(LicencePart, LevelRoom), desktop: shared(LicencePart, LevelDesktop), proxied: of(LevelProxied), relays: of(LevelRelays),
		whole: capacity{
			calls: shared(CapacityPart, WholeCalls), registrations: shared(CapacityPart, WholeRegistrations),
			proxied: shared(CapacityPart, WholeProxied), relays: shared(CapacityPart, WholeRelays),
		},
	}
}

// set moves the ceilings of what is this node's own to what platform and configuration give.
func (l *limits) set(p config.PlatformName, n *config.Node) admission.Capacity {
	capacity := capacityOf(p, n)
	of := p.Limits()
	l.calls.Set(capacity.Total)
	l.registrations.Set(ceiling(n.MaxRegistrations()))
	l.proxied.Set(ceiling(of.ProxiedRegistrations))
	l.relays.Set(ceiling(n.MaxRelays()))
	return capacity
}

// licences is what this node brings: what its option keys give, as far as the platform carries it. Without a key of
// licences the platform's limits alone count: the node runs in evaluation.
func (l *limits) licences(p config.PlatformName, n *config.Node, in licensing.Installed) map[*admission.Counter]uint32 {
	most := mostLicences(p, n)
	has := most
	if in.Keyed {
		has = in.Pool
	}
	return map[*admission.Counter]uint32{
		l.rms: ceiling(min(has.HalfRMS, most.HalfRMS)), l.room: ceiling(min(has.Room, most.Room)), l.desktop: ceiling(min(has.Desktop, most.Desktop)),
	}
}

// mostLicences is what one node of a platform can make use of.
func mostLicences(p config.PlatformName, n *config.Node) licensing.Pool {
	return licensing.Pool{HalfRMS: halvesOf(p, n), Room: n.MaxRegistrations(), Desktop: n.MaxRegistrations()}
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
