package access

import (
	"net/netip"
	"slices"
	"strings"

	"turnpike.dev/turnpike/control/alias"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/signaling/sip/digest"
)

// policy is what of a configuration counts here. It never changes.
type policy struct {
	realm      string
	algorithms []digest.Algorithm
	domains    map[string]bool
	own        []netip.Addr
	accounts   map[string]*account // by name in lower case

	zones    map[string]zoneRules
	subzones map[string]config.AuthenticationMode
	inner    config.AuthenticationMode // of the Default Subzone
	stranger config.AuthenticationMode // of the Default Zone
}

type account struct {
	name, password string
	key            digest.Key
}

type zoneRules struct {
	mode    config.AuthenticationMode
	trusted bool
}

// defaultRealm is for a node without a domain.
const defaultRealm = "turnpike"

func compile(n *config.Node, own []netip.Addr) *policy {
	p := &policy{
		realm: defaultRealm, algorithms: algorithms(n.SIP.Digest), own: own,
		domains: map[string]bool{}, accounts: make(map[string]*account, len(n.Accounts)),
		zones: map[string]zoneRules{}, subzones: map[string]config.AuthenticationMode{},
		inner: n.DefaultSubzone.Authentication, stranger: n.DefaultZone.Authentication,
	}
	for i, d := range n.Domains {
		d = strings.TrimSuffix(strings.ToLower(d), ".")
		if p.domains[d] = true; i == 0 {
			p.realm = d
		}
	}
	for _, a := range n.Accounts {
		p.accounts[strings.ToLower(a.Name)] = &account{a.Name, string(a.Password), digest.NewKey(a.Name, p.realm, string(a.Password))}
	}
	for _, z := range n.Zones {
		p.zones[z.Name] = zoneRules{z.Authentication, bool(z.SIP.Trusted)}
	}
	for _, s := range n.Subzones {
		p.subzones[s.Name] = s.Authentication
	}
	return p
}

func algorithms(d config.Digest) []digest.Algorithm {
	switch d {
	case config.DigestSHA256First:
		return []digest.Algorithm{digest.SHA256, digest.MD5}
	case config.DigestMD5First:
		return []digest.Algorithm{digest.MD5, digest.SHA256}
	case config.DigestSHA256:
		return []digest.Algorithm{digest.SHA256}
	default:
		return []digest.Algorithm{digest.MD5}
	}
}

// subzone returns which of the messages from there count as authenticated. One that is
// not there any more is treated as closed.
func (p *policy) subzone(name string) config.AuthenticationMode {
	if name == config.DefaultSubzoneName || name == "" {
		return p.inner
	}
	if mode, ok := p.subzones[name]; ok {
		return mode
	}
	return config.AuthCheck
}

// ours says whether a name is of a domain of this node, or of its address.
func (p *policy) ours(a alias.Alias) bool {
	if a.Kind != alias.URI {
		return false
	}
	return p.domains[a.Domain()] || a.Addr().IsValid() && slices.Contains(p.own, a.Addr())
}

// owns says whether a name is an account's: its user part is the account's name, or all
// of it is.
func (a *account) owns(name alias.Alias) bool {
	user, _, _ := strings.Cut(name.Name, "@")
	return strings.EqualFold(a.name, user) || strings.EqualFold(a.name, name.Name)
}
