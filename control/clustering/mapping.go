package clustering

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"turnpike.dev/turnpike/control/config"
)

// Mapping is a pair of the address mapping (CL-07).
type Mapping struct {
	Name    string     `json:"name"` // FQDN of a peer
	Address netip.Addr `json:"address"`
}

// SuggestMappings returns the pairs that the table lacks: for each peer of the list that is a name the address that it
// was last reached at, and for one that is an address its system name in the node's domain.
func SuggestMappings(n *config.Node, st Status) (out []Mapping) {
	for _, p := range st.Peers {
		h, _ := hostOf(n, p)
		known := slices.ContainsFunc(n.Mapping.Entries, func(m config.AddressMap) bool { return strings.EqualFold(m.Name, h.name) })
		if h.name != "" && h.addr.IsValid() && !known {
			out = append(out, Mapping{Name: h.name, Address: h.addr})
		}
	}
	return out
}

// ChangeMapping returns the change that adds a pair, or takes one out.
func ChangeMapping(remove bool, m Mapping) []config.Operation {
	const path = "cluster_mapping.entries"
	at := path + "[" + strconv.Quote(m.Name) + "]"
	if remove {
		return []config.Operation{{Verb: config.Delete, Path: at}}
	}
	return []config.Operation{
		{Verb: config.Add, Path: path, Text: m.Name},
		{Verb: config.Set, Path: at + ".address", Text: m.Address.String()},
	}
}
