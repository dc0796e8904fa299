package dialplan

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"turnpike.dev/turnpike/control/pattern"
	"turnpike.dev/turnpike/control/trace"
	"turnpike.dev/turnpike/control/zones"
)

// model is facts A2.1 written down as plainly as it reads: no index, no reuse, every
// rule tried for every name. A line of its answer is "group place alias protocol hops".
type model struct {
	cfg   Config
	zones []zones.Zone
	req   Request
	reg   registered
	state condition
	lines []string
	found bool // somewhere
	group int
}

func (m *model) locate() []string {
	if !m.cfg.NoLoopCheck && slices.Contains(m.req.Seen, m.req.Alias.Name) {
		return nil
	}
	name := m.req.Alias.Name
	if m.cfg.FallbackAlias != "" && (slices.Contains(m.cfg.Domains, name) || name == "192.0.2.1" && len(m.cfg.Own) > 0) {
		name = m.cfg.FallbackAlias
	}
	m.step2(name, m.req.Trail)
	return m.lines
}

// step2 is an alias that begins, or begins again after those of the trail.
func (m *model) step2(name string, trail []string) {
	if slices.Contains(trail, name) || len(trail) > 10 {
		return
	}
	trail = append(slices.Clone(trail), name)
	if m.req.Peer {
		m.own(name)
		return
	}
	for _, t := range sorted(m.cfg.Transforms, func(t Transform) int { return t.Priority }) {
		if !t.Disabled && matchesText(t.Type, t.Pattern, name) {
			if name = rewritten(t.Type, t.Pattern, t.Behavior, t.Replace, name); name == "" {
				return
			}
			break
		}
	}
	switch next, ok := m.step3(name); {
	case len(next) > 0:
		for _, n := range next {
			m.step2(n, trail)
		}
	case ok:
		m.step5(name)
		m.direct(name)
	}
}

// step3 is call policy: new aliases, or whether the call may go on.
func (m *model) step3(name string) ([]string, bool) {
	if m.cfg.Policy.Off {
		return nil, true
	}
	for _, r := range sorted(m.cfg.Policy.Rules, func(r PolicyRule) int { return r.Priority }) {
		switch {
		case r.Disabled, !m.from(r.Source, r.SourceName):
		case r.Caller == Authenticated && !m.req.Authenticated:
		case r.Caller == Unauthenticated && m.req.Authenticated:
		case !r.From.Any && !matchesText(r.From.Type, r.From.Pattern, m.req.Caller.Name):
		case !r.To.Any && !matchesText(r.To.Type, r.To.Pattern, name):
		case r.Action == Redirect:
			return r.Destinations, false
		default:
			return nil, r.Action == Allow
		}
	}
	switch m.place() {
	case "local":
		return nil, m.req.Authenticated || m.cfg.Policy.AllowUnknown
	case "DefaultZone":
		return nil, m.cfg.Policy.AllowUnknown
	}
	return nil, true
}

func (m *model) place() string {
	switch {
	case m.req.Peer:
		return "local"
	case m.req.Zone == nil:
		return "DefaultZone"
	}
	return m.req.Zone.Name
}

func (m *model) from(s Source, name string) bool {
	at := m.place()
	switch s {
	case AllZones:
		return at != "DefaultZone"
	case LocalZone:
		return at == "local"
	case Named:
		return at == name || at == "local" && m.req.Subzone == name
	}
	return true
}

// step5 is the search rules.
func (m *model) step5(name string) {
	rules := sorted(m.cfg.Rules, func(r Rule) int { return r.Priority })
	for len(rules) > 0 {
		same := 0
		for same < len(rules) && rules[same].Priority == rules[0].Priority {
			same++
		}
		if end := m.priority(name, rules[:same]); end {
			return
		}
		rules = rules[same:]
	}
}

// priority is all rules of one priority. It says whether the search ends with it.
func (m *model) priority(name string, rules []Rule) (end bool) {
	var native, other []string
	nativeFound, otherFound, stop := false, false, false
	for _, r := range rules {
		if !m.matches(r, name) {
			continue
		}
		stop = stop || r.Stop
		to := name
		if r.Mode == AliasPattern {
			if to = rewritten(r.Type, r.Pattern, r.Behavior, r.Replace, name); to == "" {
				continue
			}
		}
		for _, p := range []Protocol{m.req.Protocol, 3 - m.req.Protocol} {
			places, found := m.ask(r.Target, to, p)
			if p == m.req.Protocol {
				native, nativeFound = append(native, places...), nativeFound || found
			} else {
				other, otherFound = append(other, places...), otherFound || found
			}
		}
	}
	if nativeFound {
		other, otherFound = nil, false
	}
	m.add(native)
	m.add(other)
	m.found = m.found || nativeFound || otherFound
	return stop || nativeFound || otherFound
}

// add makes a group of places that were not there before.
func (m *model) add(places []string) {
	added := false
	for _, p := range places {
		if !slices.ContainsFunc(m.lines, func(l string) bool { return l[strings.Index(l, " ")+1:] == p }) {
			m.lines, added = append(m.lines, fmt.Sprintf("%d %s", m.group, p)), true
		}
	}
	if added {
		m.group++
	}
}

func (m *model) matches(r Rule, name string) bool {
	ip := net(name) && !strings.Contains(name, "@")
	switch {
	case r.Disabled, r.Protocol != AnyProtocol && r.Protocol != m.req.Protocol:
		return false
	case !m.from(r.Source, r.SourceName), r.Authenticated && !m.req.Authenticated:
		return false
	case r.Mode == AnyAlias:
		return !ip
	case r.Mode == AnyIPAddress:
		return ip
	case r.Mode == AliasPattern:
		return matchesText(r.Type, r.Pattern, name)
	}
	return true
}

// ask is what a zone has for a name in one protocol, and whether that is certain.
func (m *model) ask(zone, name string, p Protocol) (places []string, found bool) {
	if zone == "local" {
		if p == m.req.Protocol || m.cfg.Interworking != InterworkingOff {
			places = m.registered(name, p)
		}
		return places, len(places) > 0
	}
	z := m.zones[slices.IndexFunc(m.zones, func(z zones.Zone) bool { return z.Name == zone })]
	hops := min(m.req.HopCount, z.HopCount)
	unknownIP := net(name) && (host(name) != "192.0.2.1" || len(m.cfg.Own) == 0)
	interworking := m.cfg.Interworking == InterworkingOn || m.cfg.Interworking == RegisteredOnly && m.place() == "local"
	switch {
	case hops == 0, unknownIP && m.cfg.UnknownIP != Indirect:
		return nil, false
	case p == SIP && !z.SIP, p == H323 && !z.H323, p != m.req.Protocol && !interworking:
		return nil, false
	case z.Type == zones.DNS && !domain.MatchString(name):
		return nil, false
	}
	alive := ""
	for i := range z.Peers {
		if s := m.state[zone]; i >= len(s) || !s[i].Silent && !s[i].Maintenance {
			alive += "."
		}
	}
	if z.Type == zones.Neighbour && alive == "" {
		return nil, false
	}
	return []string{fmt.Sprintf("%s%s %s %s %d", zone, alive, name, p, hops)}, false
}

// registered are the places of who is registered: each binding here, and each peer once, for what is
// reached no other way.
func (m *model) registered(name string, p Protocol) (places []string) {
	asked, met := map[uint8]bool{}, map[uint64]bool{}
	for _, b := range m.reg[name] {
		if b.Protocol != p {
			continue
		}
		if b.Peer == 0 || !asked[b.Peer] && (b.Endpoint == 0 || !met[b.Endpoint]) {
			places = append(places, fmt.Sprintf("binding %d %s %s", b.ID, name, p))
			asked[b.Peer] = true
		}
		met[b.Endpoint] = true
	}
	return places
}

// own is what a peer is told of: who is registered here, whatever the rules say.
func (m *model) own(name string) {
	for _, p := range []Protocol{m.req.Protocol, m.req.Protocol.other()} {
		var places []string
		for _, b := range m.reg[name] {
			wanted := len(m.req.Endpoints) == 0 || slices.Contains(m.req.Endpoints, b.Endpoint)
			if b.Peer == 0 && b.Protocol == p && wanted {
				places = append(places, fmt.Sprintf("binding %d %s %s", b.ID, name, p))
			}
		}
		m.add(places)
		if len(places) > 0 || m.cfg.Interworking == InterworkingOff {
			return
		}
	}
}

// direct is a call to an address itself.
func (m *model) direct(name string) {
	if m.cfg.UnknownIP == Direct && net(name) && !m.found && m.req.HopCount > 0 &&
		(host(name) != "192.0.2.1" || len(m.cfg.Own) == 0) {
		m.add([]string{fmt.Sprintf("address %s %s %d", name, m.req.Protocol, min(m.req.HopCount, 15))})
	}
}

// net says whether a name is or ends in an address.
func net(name string) bool {
	_, err := netip.ParseAddr(host(name))
	return err == nil
}

// host is what stands behind the only @, or the whole name.
func host(name string) string {
	if user, host, ok := strings.Cut(name, "@"); ok && user != "" {
		return host
	}
	return name
}

var domain = regexp.MustCompile(`^[^@]+@([a-z0-9]+\.)*[a-z][a-z0-9]*$`)

func matchesText(typ pattern.Type, text, name string) bool {
	switch typ {
	case pattern.Exact:
		return strings.ToLower(text) == name
	case pattern.Prefix:
		return strings.HasPrefix(name, strings.ToLower(text))
	case pattern.Suffix:
		return strings.HasSuffix(name, strings.ToLower(text))
	}
	return regexp.MustCompile("(?i)^(" + text + ")$").MatchString(name)
}

// rewritten is what becomes of a name that matches; empty when that is no alias.
func rewritten(typ pattern.Type, text string, b pattern.Behavior, with, name string) string {
	switch b {
	case pattern.Strip, pattern.Replace:
		if b == pattern.Strip {
			with = ""
		}
		switch typ {
		case pattern.Prefix:
			name = with + name[len(text):]
		case pattern.Suffix:
			name = name[:len(name)-len(text)] + with
		case pattern.Exact:
			name = with
		case pattern.Regex:
			name = regexp.MustCompile("(?i)^(?:"+text+")$").ReplaceAllString(name, strings.ReplaceAll(with, `\1`, "${1}"))
		}
	case pattern.AddPrefix:
		name = with + name
	case pattern.AddSuffix:
		name += with
	}
	return strings.ToLower(name)
}

// show writes a result as the model does.
func show(r *Result) []string {
	var lines []string
	for i := range r.Targets {
		t := &r.Targets[i]
		place := ""
		switch t.Kind {
		case ToBinding:
			place = fmt.Sprintf("binding %d %s %s", t.Binding.ID, t.Alias.Name, t.Protocol)
		case ToAddress:
			place = fmt.Sprintf("address %s %s %d", t.Alias.Name, t.Protocol, t.HopCount)
		default:
			place = fmt.Sprintf("%s%s %s %s %d", t.Zone.Name, strings.Repeat(".", t.Order.Len()), t.Alias.Name, t.Protocol, t.HopCount)
		}
		lines = append(lines, fmt.Sprintf("%d %s", t.Group, place))
	}
	return lines
}

// TestLocateIsItsModel compares plan and model on small worlds, with and without a
// trace. // RG-09
func TestLocateIsItsModel(t *testing.T) {
	seen := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		cfg, list := drawConfig(t), drawZones(t)
		dir, err := zones.Compile(zones.Config{Zones: list})
		if err != nil {
			t.Fatal(err)
		}
		cfg.Zones = dir
		plan, err := Compile(cfg)
		if err != nil {
			t.Fatal(err)
		}
		for range 10 {
			askBoth(t, plan, cfg, list, seen)
		}
	})
	t.Log(seen)
}

// askBoth draws a request and what is registered, and compares what plan and model say.
func askBoth(t *rapid.T, plan *Plan, cfg Config, list []zones.Zone, seen map[string]int) {
	req := drawRequest(t, plan.Zones())
	reg, state := drawNetwork(t)
	m := model{cfg: cfg, zones: list, req: req, reg: reg, state: state}
	want := m.locate()

	network := Network{Registrations: reg, Health: state}
	var got, traced Result
	plan.Locate(&req, network, &got, nil)
	var why trace.Trace
	plan.Locate(&req, network, &traced, &why)
	if diff := cmp.Diff(want, show(&got)); diff != "" {
		t.Fatalf("-model +plan:\n%s\n%s", diff, text(&why))
	}
	if diff := cmp.Diff(show(&got), show(&traced)); diff != "" || got.Reason != traced.Reason || got.Rule != traced.Rule {
		t.Fatalf("-plain +traced:\n%s%s, %s", diff, got.Reason, traced.Reason)
	}
	if (got.Reason == Found) != (len(want) > 0) {
		t.Fatalf("%d targets, and the reason is %q", len(want), got.Reason)
	}
	seen[got.Reason.String()]++
	seen[fmt.Sprintf("%d groups", m.group)]++
}

func text(t *trace.Trace) string {
	var b strings.Builder
	_ = trace.Write(&b, t.Steps(), true)
	return b.String()
}
