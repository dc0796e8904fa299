package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/config/store"
	"turnpike.dev/turnpike/control/licences"
	"turnpike.dev/turnpike/control/metrics"
	"turnpike.dev/turnpike/control/resources"
	"turnpike.dev/turnpike/licensing"
)

var _ api.Licensed = (*node)(nil)

// license lets the node know its option keys. What is short of its resources is told to
// whom it returns.
func (n *node) license() *licences.Keeper {
	n.licences = licences.New(licences.Deps{
		Node: n.id, Config: n.running, Levels: n.levels, Whole: n.wholeLevels, Pooled: n.pooled, Alarms: n.board, Log: n.log,
		Changed: func(licensing.Installed) { n.supply() },
	})
	return n.licences
}

// levels are how full the limits of the node are.
func (n *node) levels() []resources.Level { return n.resources.Levels() }

// wholeLevels are how full the capacity of the cluster is.
func (n *node) wholeLevels() []resources.Level { return n.resources.WholeLevels() }

// pooled says that licences count here which a peer has bought: then this node does not bring what it may try out.
func (n *node) pooled() bool {
	if n.cluster == nil {
		return false
	}
	l, on := n.cluster.Ledger()
	return on && l.Begun && len(l.Own) == 0
}

// Licences says what the node may do, because of which keys (api.Licensed).
func (n *node) Licences() api.Licences {
	c, in, shared := n.running(), n.licences.Installed(), n.shares()
	out := api.Licences{
		Node: n.id, Evaluation: !in.Keyed, Features: []string{}, Keys: []api.OptionKey{}, Use: n.licenceUse(in, shared), Issuers: []string{},
		Sharing: shared.status(),
	}
	for _, f := range in.Features {
		out.Features = append(out.Features, string(f))
	}
	for _, i := range c.Licensing.Issuers {
		out.Issuers = append(out.Issuers, i.Name)
	}
	for i, o := range licences.Read(c, n.id, time.Now()) {
		out.Keys = append(out.Keys, optionKey(c.OptionKeys[i].Index, o))
	}
	return out
}

func optionKey(number int, o licensing.Option) api.OptionKey {
	k := api.OptionKey{Number: number, Key: o.Text, Counts: o.Err == nil, Issuer: o.Issuer}
	if o.Err != nil {
		k.Why = o.Err.Error()
	}
	if o.Key.Feature != "" {
		k.Feature, k.Count, k.Until, k.Serial = string(o.Key.Feature), o.Key.Count, o.Key.LastDay(), o.Key.Serial
	}
	return k
}

// licenceUse is how full the limits are, in the units that people count in.
func (n *node) licenceUse(in licensing.Installed, shared shares) []api.LicenceUse {
	out := []api.LicenceUse{}
	for _, l := range n.levels() {
		u := api.LicenceUse{Name: l.Name, Used: float64(l.Used), Limit: float64(l.Limit), Refusals: shared.refusals(l.Name, wholeOf[l.Name])}
		u.Refused = u.Refusals.All()
		u.Share = shared.ofLevel(l)
		switch l.Name {
		case resources.LevelRMS:
			u.Used, u.Limit, u.Licensed = u.Used/2, u.Limit/2, in.Keyed
			u.Share = u.Share.In(2)
		case resources.LevelRoom, resources.LevelDesktop:
			u.Licensed = in.Keyed
		}
		out = append(out, u)
	}
	return out
}

// InstallKey installs a key that counts on this node (api.Licensed).
func (n *node) InstallKey(author store.Author, text string) error {
	if _, err := licences.Check(n.running(), n.id, text, time.Now()); err != nil {
		return fmt.Errorf("%w: %w", api.ErrOptionKey, err)
	}
	_, err := n.store.Propose(store.Proposal{Author: author, Operations: []config.Operation{{Verb: config.Add, Path: "option_keys", Text: text}}})
	return err
}

var errNoKey = errors.New("none has that number or serial: see `turnpike licence list`")

// RemoveKey removes the key with a number or a serial (api.Licensed).
func (n *node) RemoveKey(author store.Author, name string) error {
	keys := n.Licences().Keys
	i := slices.IndexFunc(keys, func(k api.OptionKey) bool { return strconv.Itoa(k.Number) == name })
	if i < 0 {
		i = slices.IndexFunc(keys, func(k api.OptionKey) bool { return k.Serial != "" && k.Serial == name })
	}
	if i < 0 {
		return fmt.Errorf("%w: %w", api.ErrOptionKey, errNoKey)
	}
	_, err := n.store.Propose(store.Proposal{Author: author, Operations: []config.Operation{{Verb: config.Delete, Path: fmt.Sprintf("option_keys[%d]", keys[i].Number)}}})
	return err
}

// addLicences tells metrics what option keys give, and what is used of limits.
func (n *node) addLicences(s *metrics.Snapshot, shared shares) {
	in := n.licences.Installed()
	for _, u := range n.licenceUse(in, shared) {
		s.Resources = append(s.Resources, metrics.Resource{Name: u.Name, Used: u.Used, Limit: u.Limit, Refusals: u.Refusals, Share: u.Share})
	}
	s.Licences = metrics.Licences{Evaluation: !in.Keyed, Keys: map[string]int{"counts": 0, "ended": 0, "other": 0}, Ends: n.licences.Ends()}
	for _, o := range n.licences.Options() {
		switch {
		case o.Err == nil:
			s.Licences.Keys["counts"]++
		case errors.Is(o.Err, licensing.ErrExpired):
			s.Licences.Keys["ended"]++
		default:
			s.Licences.Keys["other"]++
		}
	}
}
