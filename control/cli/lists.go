package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/config/store"
)

// list declares the commands that add to a list of the configuration and delete from
// it.
type list struct {
	path   string // of the list
	noun   string // the commands are nounAdd and nounDelete
	id     string // parameter of nounDelete
	params []param
}

// param is a parameter that sets a key of the new entry.
type param struct {
	name     string
	key      string
	required bool
}

// lists are the commands of facts A6, and the same for the lists that they leave out.
var lists = []list{
	{"zones", "Zone", "ZoneId", []param{{"ZoneName", "name", true}, {"Type", "type", true}, {"Protocol", "protocol", false}, {"HopCount", "hop_count", false}}},
	{"subzones", "SubZone", "SubZoneId", []param{
		{"SubZoneName", "name", true},
		{"TotalMode", "bandwidth.total.mode", false},
		{"Total", "bandwidth.total.kbps", false},
		{"PerCallInterMode", "bandwidth.in_out.mode", false},
		{"PerCallInter", "bandwidth.in_out.kbps", false},
		{"PerCallIntraMode", "bandwidth.within.mode", false},
		{"PerCallIntra", "bandwidth.within.kbps", false},
	}},
	{"membership_rules", "SubZoneMembershipRule", "MembershipRuleId", []param{
		{"Name", "name", true},
		{"SubZoneName", "subzone", true},
		{"Type", "type", true},
		{"Subnet", "subnet", false},
		{"PatternType", "pattern.type", false},
		{"Pattern", "pattern.string", false},
		{"Priority", "priority", false},
		{"Description", "description", false},
		{"State", "state", false},
	}},
	{"pipes", "Pipe", "PipeId", []param{
		{"PipeName", "name", true},
		{"TotalMode", "total.mode", false},
		{"Total", "total.kbps", false},
		{"PerCallMode", "per_call.mode", false},
		{"PerCall", "per_call.kbps", false},
	}},
	{"links", "Link", "LinkId", []param{{"LinkName", "name", true}, {"Node1", "node1", true}, {"Node2", "node2", true}, {"Pipe1", "pipe1", false}, {"Pipe2", "pipe2", false}}},
	{"search_rules", "SearchRule", "SearchRuleId", []param{
		{"Name", "name", true},
		{"TargetName", "target", true},
		{"Priority", "priority", false},
		{"Protocol", "protocol", false},
		{"SourceMode", "source", false},
		{"SourceName", "source_name", false},
		{"Authentication", "authenticated", false},
		{"PatternType", "pattern.type", false},
		{"Pattern", "pattern.string", false},
		{"Behavior", "behavior", false},
		{"Replace", "replace", false},
		{"Progress", "on_match", false},
		{"Description", "description", false},
		{"State", "state", false},
	}},
	{"call_policy.rules", "CallPolicyRule", "CallPolicyRuleId", []param{
		{"Name", "name", true},
		{"Action", "action", true},
		{"Priority", "priority", false},
		{"SourceMode", "source", false},
		{"SourceName", "source_name", false},
		{"Caller", "caller", false},
		{"FromType", "from.type", false},
		{"From", "from.string", false},
		{"ToType", "to.type", false},
		{"To", "to.string", false},
	}},
	{"registrations.allow", "AllowList", "AllowListId", []param{{"Name", "name", true}, {"PatternString", "pattern.string", true}, {"PatternType", "pattern.type", false}}},
	{"registrations.deny", "DenyList", "DenyListId", []param{{"Name", "name", true}, {"PatternString", "pattern.string", true}, {"PatternType", "pattern.type", false}}},
	{"accounts", "Credential", "CredentialId", []param{{"Name", "name", true}, {"Password", "password", true}}},
	{"option_keys", "OptionKey", "OptionKeyId", []param{{"Key", "name", true}}},
	{"cluster_mapping.entries", "ClusterAddressMapping", "", []param{{"Fqdn", "name", true}, {"IpAddress", "address", true}}},
}

// listCommands returns the commands of all lists, and those of transforms.
func listCommands(s *store.Store) []Command {
	var all []Command
	for _, l := range lists {
		all = append(all, l.add(s))
		if l.id != "" {
			all = append(all, l.remove(s))
		}
	}
	return append(all, transformAdd(s), list{path: "transforms", noun: "Transform", id: "TransformId"}.remove(s), mappingDelete(s))
}

// kindOf returns the kind of a key of a list's entries.
func kindOf(path, key string) (config.Kind, string) {
	item, ok := config.Lookup(path + "[]." + key)
	if !ok {
		panic("cli: no item " + path + "[]." + key)
	}
	return item.Kind, item.Text
}

func (l list) add(s *store.Store) Command {
	item, _ := config.Lookup(l.path)
	c := Command{Name: l.noun + "Add", Text: fmt.Sprintf("Adds a %s to xConfiguration %s.", item.Entry, item.X)}
	for _, p := range l.params {
		kind, text := kindOf(l.path, p.key)
		c.Params = append(c.Params, Param{Name: p.name, Kind: kind, Required: p.required, Text: text})
	}
	c.Run = func(_ context.Context, args map[string]string, caller Caller) ([]Element, error) {
		name := args[l.params[0].name]
		ops := []config.Operation{{Verb: config.Add, Path: l.path, Text: name}}
		for _, p := range l.params[1:] {
			if value, ok := args[p.name]; ok {
				ops = append(ops, config.Operation{Verb: config.Set, Path: entry(l.path, name) + "." + p.key, Text: value})
			}
		}
		return propose(s, store.Proposal{Author: caller, Operations: ops}, l.path, name)
	}
	return c
}

// entry is the path of an entry by name.
func entry(path, name string) string { return path + "[" + strconv.Quote(name) + "]" }

// propose makes a change and tells the index of the entry that it was about.
func propose(s *store.Store, p store.Proposal, path, name string) ([]Element, error) {
	if _, err := s.Propose(p); err != nil {
		return nil, err
	}
	item, _ := config.Lookup(path)
	index, err := config.Index(s.Current().Node, entry(path, name))
	if err != nil {
		return nil, err
	}
	return []Element{{Name: "XPath", Value: fmt.Sprintf("%s %d", item.X, index)}}, nil
}

func (l list) remove(s *store.Store) Command {
	item, _ := config.Lookup(l.path)
	return Command{
		Name: l.noun + "Delete", Text: fmt.Sprintf("Deletes a %s from xConfiguration %s.", item.Entry, item.X),
		Params: []Param{{Name: l.id, Kind: config.Integer(1, int64(item.Many)), Required: true, Text: "Index of the entry."}},
		Run: func(_ context.Context, args map[string]string, caller Caller) ([]Element, error) {
			_, err := s.Propose(store.Proposal{Author: caller, Operations: []config.Operation{{Verb: config.Delete, Path: l.path + "[" + args[l.id] + "]"}}})
			return nil, err
		},
	}
}

// transformAdd adds a transform. No two have the same priority: at one that is
// taken, the others make room (facts A2.1).
func transformAdd(s *store.Store) Command {
	l := list{path: "transforms", noun: "Transform", params: []param{
		{"Name", "name", false},
		{"Pattern", "pattern.string", true},
		{"Type", "pattern.type", false},
		{"Behavior", "behavior", false},
		{"Replace", "replace", false},
		{"Priority", "priority", false},
		{"Description", "description", false},
		{"State", "state", false},
	}}
	c := l.add(s)
	add := c.Run
	c.Run = func(ctx context.Context, args map[string]string, caller Caller) ([]Element, error) {
		cur := s.Current()
		if cur == nil {
			return nil, store.ErrEmpty
		}
		if args["Name"] == "" {
			args["Name"] = freeName(cur.Node.Transforms)
		}
		if args["Priority"] == "" {
			args["Priority"] = "1"
		}
		ops := room(cur.Node.Transforms, args["Priority"])
		if len(ops) == 0 {
			return add(ctx, args, caller)
		}
		ops = append(ops, config.Operation{Verb: config.Add, Path: l.path, Text: args["Name"]})
		for _, p := range l.params[1:] {
			if value, ok := args[p.name]; ok {
				ops = append(ops, config.Operation{Verb: config.Set, Path: entry(l.path, args["Name"]) + "." + p.key, Text: value})
			}
		}
		return propose(s, store.Proposal{Author: caller, Operations: ops, Expect: cur.Number}, l.path, args["Name"])
	}
	return c
}

func freeName(list []config.Transform) string {
	for i := 1; ; i++ {
		name := "Transform" + strconv.Itoa(i)
		if !slices.ContainsFunc(list, func(t config.Transform) bool { return t.Name == name }) {
			return name
		}
	}
}

// room returns what shifts transforms from a priority on by one, as far as they stand
// close.
func room(list []config.Transform, priority string) []config.Operation {
	at, _ := strconv.Atoi(priority) // it was checked
	var ops []config.Operation
	for {
		i := slices.IndexFunc(list, func(t config.Transform) bool { return t.Priority == at })
		if i < 0 {
			return ops
		}
		at++
		ops = append(ops, config.Operation{Verb: config.Set, Path: entry("transforms", list[i].Name) + ".priority", Text: strconv.Itoa(at)})
	}
}

// mappingDelete goes by what it deletes, not by index (facts A6).
func mappingDelete(s *store.Store) Command {
	l := lists[len(lists)-1]
	c := l.add(s)
	c.Name, c.Text = "ClusterAddressMappingDelete", "Deletes a pair of name and address from the cluster's address mapping."
	c.Run = func(_ context.Context, args map[string]string, caller Caller) ([]Element, error) {
		cur := s.Current()
		if cur == nil {
			return nil, store.ErrEmpty
		}
		for _, m := range cur.Node.Mapping.Entries {
			if m.Name == args["Fqdn"] && m.Address.String() == args["IpAddress"] {
				_, err := s.Propose(store.Proposal{Author: caller, Operations: []config.Operation{{Verb: config.Delete, Path: entry(l.path, m.Name)}}})
				return nil, err
			}
		}
		return nil, fmt.Errorf("no mapping of %s to %s: see `xConfiguration Alternates AddressMapping`", args["Fqdn"], args["IpAddress"])
	}
	return c
}
