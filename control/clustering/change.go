package clustering

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"turnpike.dev/turnpike/control/config"
)

// ErrStep means that a step of a procedure must not be done now; its text says what to do first.
var ErrStep = errors.New("not now")

// Settings are what an operator sets on each peer (†); what is empty stays as it is.
type Settings struct {
	Name    string   `json:"name,omitempty"`
	Primary int      `json:"primary,omitempty"`
	IP      string   `json:"ip,omitempty"`
	Peers   []string `json:"peers,omitempty"`
}

// Join returns the change that gives a node its place in a cluster; it takes effect at the restart (CL-02). The
// list has this node in it: the cluster's parts look for it, and raise 20015 where they do not find it.
func Join(n *config.Node, s Settings) ([]config.Operation, error) {
	if len(n.Cluster.Peers) > 1 && !slices.Equal(n.Cluster.Peers, s.Peers) {
		return nil, fmt.Errorf("%w: this node is a member of a cluster of %d already: `turnpike cluster leave` first", ErrStep, len(n.Cluster.Peers))
	}
	switch {
	case len(s.Peers) == 0:
		return nil, fmt.Errorf("%w: which peers? name all of them in the order of the primary's list, this node among them", ErrStep)
	case s.Name == "" && n.Cluster.Name == "":
		return nil, fmt.Errorf("%w: the cluster has no name: give the one that the primary has", ErrStep)
	case s.Primary == 0 && len(s.Peers) > 1:
		return nil, fmt.Errorf("%w: which peer is the primary? name its place in the list", ErrStep)
	}
	if s.Primary == 0 {
		s.Primary = 1
	}
	return s.operations(), nil
}

// operations sets what is not empty.
func (s Settings) operations() []config.Operation {
	var ops []config.Operation
	set := func(path, text string) {
		if text != "" {
			ops = append(ops, config.Operation{Verb: config.Set, Path: path, Text: text})
		}
	}
	set("cluster.name", s.Name)
	set("cluster.ip", s.IP)
	if s.Peers != nil {
		ops = append(ops, peerList(s.Peers))
	}
	if s.Primary != 0 {
		set("cluster.primary", strconv.Itoa(s.Primary))
	}
	return ops
}

func peerList(list []string) config.Operation {
	return config.Operation{Verb: config.Set, Path: "cluster.peers", Texts: list}
}

// AddPeer returns the change that puts a peer at the end of the list. It is made on the primary, then on each
// other member, then on the new peer itself.
func AddPeer(n *config.Node, address string) ([]config.Operation, error) {
	list := n.Cluster.Peers
	switch {
	case len(list) == 0:
		return nil, fmt.Errorf("%w: this node is standalone: make it a cluster of one first, with `turnpike cluster join --name NAME --peer OWN_ADDRESS`", ErrStep)
	case len(list) >= maxPeers:
		return nil, fmt.Errorf("%w: a cluster has at most %d peers: remove one first", ErrStep, maxPeers)
	case place(list, address) != 0:
		return nil, fmt.Errorf("%w: %s is peer %d already", ErrStep, address, place(list, address))
	}
	return []config.Operation{peerList(append(slices.Clone(list), address))}, nil
}

// maxPeers is the largest cluster (CL-01).
const maxPeers = 6

// RemovePeer returns the change that takes a peer out of the list without a gap; the primary's place follows (CL-13).
// own is this node's place, 0: unknown.
func RemovePeer(n *config.Node, own int, which string) ([]config.Operation, error) {
	list := n.Cluster.Peers
	at, err := Find(list, which)
	switch {
	case err != nil:
		return nil, err
	case at == own:
		return nil, fmt.Errorf("%w: %s is this node itself: `turnpike cluster leave`", ErrStep, list[at-1])
	case at == n.Cluster.Primary:
		return nil, fmt.Errorf("%w: %s is the primary: make another peer the primary first, on each peer, with `turnpike cluster primary`", ErrStep, list[at-1])
	}
	ops := []config.Operation{peerList(slices.Delete(slices.Clone(list), at-1, at))}
	if p := n.Cluster.Primary; p > at {
		lower := config.Operation{Verb: config.Set, Path: "cluster.primary", Text: strconv.Itoa(p - 1)}
		ops = append([]config.Operation{lower}, ops...)
	}
	return ops, nil
}

// ReplacePeer returns the change that gives a peer another address in its place: an FQDN for its IP address, or
// back (CL-22).
func ReplacePeer(n *config.Node, which, address string) ([]config.Operation, error) {
	at, err := Find(n.Cluster.Peers, which)
	if err != nil {
		return nil, err
	}
	if other := place(n.Cluster.Peers, address); other != 0 {
		return nil, fmt.Errorf("%w: %s is peer %d already", ErrStep, address, other)
	}
	list := slices.Clone(n.Cluster.Peers)
	list[at-1] = address
	return []config.Operation{peerList(list)}, nil
}

// SetPrimary returns the change that names the primary: on the new one first, then on the old one if it answers, then
// on each other peer (CL-12).
func SetPrimary(n *config.Node, which string) ([]config.Operation, error) {
	at, err := Find(n.Cluster.Peers, which)
	if err != nil {
		return nil, err
	}
	return Settings{Primary: at}.operations(), nil
}

// Leave returns the change that clears the list. It arms the factory reset of the next restart (CL-14).
func Leave(n *config.Node, st Status) ([]config.Operation, error) {
	switch {
	case len(n.Cluster.Peers) == 0:
		return nil, fmt.Errorf("%w: this node is standalone", ErrStep)
	case len(n.Cluster.Peers) > 1 && st.Own != 0 && st.Own == st.Acting:
		return nil, fmt.Errorf("%w: this node is the primary of a cluster of %d: make another peer the primary first, on each peer, with `turnpike cluster primary`", ErrStep, len(n.Cluster.Peers))
	}
	return []config.Operation{peerList([]string{}), {Verb: config.Set, Path: "cluster.primary", Text: "1"}}, nil
}

// SetTLS returns the change of the TLS mode, which the primary makes for all (CL-05). Enforce is refused while a peer's
// certificate is not known to be valid, unless the operator insists.
func SetTLS(st Status, mode string, insist bool) ([]config.Operation, error) {
	if mode == string(config.TLSEnforce) && !insist {
		if err := MayEnforce(st); err != nil {
			return nil, err
		}
	}
	return []config.Operation{{Verb: config.Set, Path: "cluster_tls", Text: mode}}, nil
}

// MayEnforce says who would be shut out if peers checked each other's certificates, and why; nil: nobody (CL-05).
func MayEnforce(st Status) error {
	var out []string
	for _, p := range st.Peers {
		fault := p.Certificate
		switch fault {
		case CertificateValid:
			continue
		case "":
			fault = "not seen yet"
		}
		out = append(out, p.Address+" is "+fault)
	}
	if len(out) == 0 {
		return nil
	}
	return fmt.Errorf("%w: the certificate of %s: cluster_tls enforce would shut that out. Mend it first, or insist: `turnpike cluster tls enforce --insist`, in xConfiguration `Insist: On` behind it", ErrStep, strings.Join(out, ", of "))
}

// Guard refuses a change of a running cluster's configuration that would shut peers out, wherever it was typed.
func Guard(st Status, changes []config.Change) error {
	for _, c := range changes {
		if c.Path == "cluster_tls" && c.To == string(config.TLSEnforce) && st.Mode == Clustered {
			return MayEnforce(st)
		}
	}
	return nil
}

// Find returns the place of a peer, from 1: which is that place or the peer's address.
func Find(list []string, which string) (int, error) {
	if at := place(list, which); at != 0 {
		return at, nil
	}
	if at, err := strconv.Atoi(which); err == nil && at >= 1 && at <= len(list) {
		return at, nil
	}
	return 0, fmt.Errorf("%w: no peer %q: the list is %s", ErrStep, which, listed(list))
}

func listed(list []string) string {
	if len(list) == 0 {
		return "empty"
	}
	return strings.Join(list, ", ")
}

// place returns where an address stands in a list, from 1; 0: it does not. The same address may be written in
// several ways, and names do not depend on case.
func place(list []string, address string) int {
	ip, err := netip.ParseAddr(address)
	return 1 + slices.IndexFunc(list, func(p string) bool {
		if other, otherErr := netip.ParseAddr(p); err == nil && otherErr == nil {
			return ip == other
		}
		return strings.EqualFold(p, address)
	})
}
