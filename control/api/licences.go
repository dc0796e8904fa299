package api

import (
	"context"
	"errors"
	"net/url"

	"turnpike.dev/turnpike/control/config/store"
	"turnpike.dev/turnpike/control/sharing"
)

// ErrOptionKey means that a text cannot be installed as an option key, or that none is
// installed under a name.
var ErrOptionKey = errors.New("option key refused")

// Licensed knows the option keys of a node, and what is used of what they give.
type Licensed interface {
	Licences() Licences
	// InstallKey installs a key that counts on this node.
	InstallKey(author store.Author, key string) error
	// RemoveKey removes the key with a number or a serial.
	RemoveKey(author store.Author, name string) error
}

// Licences is what a node may do, because of which keys.
type Licences struct {
	Node string `json:"node"` // id that keys are made for
	// Evaluation: no key gives licences, so the platform's limits count.
	Evaluation bool         `json:"evaluation"`
	Features   []string     `json:"features"` // that are on
	Keys       []OptionKey  `json:"keys"`
	Use        []LicenceUse `json:"use"`
	// Issuers are those whose keys count.
	Issuers []string       `json:"issuers"`
	Sharing sharing.Status `json:"sharing" doc:"How this node shares limits with its peers."`
}

// OptionKey is an installed key and what is to be thought of it.
type OptionKey struct {
	Number  int    `json:"number"`
	Key     string `json:"key"`
	Feature string `json:"feature,omitempty"` // none where the key cannot be trusted
	Count   int    `json:"count,omitempty"`
	Until   string `json:"until,omitempty"` // last day in UTC, or perpetual
	Serial  string `json:"serial,omitempty"`
	Issuer  string `json:"issuer,omitempty"`
	Counts  bool   `json:"counts"`
	Why     string `json:"why,omitempty"` // it does not count
}

// LicenceUse is how much of a limit is used.
type LicenceUse struct {
	// Name of the limit: calls, traversal, non_traversal, rms, registrations, room, desktop,
	// proxied or relays.
	Name  string  `json:"name"`
	Used  float64 `json:"used"`
	Limit float64 `json:"limit"`
	// Licensed: option keys give it; otherwise the platform does.
	Licensed bool             `json:"licensed"`
	Refused  uint64           `json:"refused"` // requests since the node's start
	Refusals sharing.Refusals `json:"refusals,omitempty" doc:"By reason; docs/cluster.md says what each of them means, and what to do."`
	// Share is how peers share it, in the units of Used. Used and Limit are of all peers together where they do.
	sharing.Share
}

// LicenceShare is a part of what there is of something.
type LicenceShare = sharing.Part

// NewKey is a key to install.
type NewKey struct {
	Key string `json:"key" minLength:"1" maxLength:"255"`
}

// keyName names an installed key.
type keyName struct {
	Name string `path:"name" maxLength:"64" doc:"Its number or its serial."`
}

// License adds the routes of licences.
func (s *Server) License(l Licensed) *Server {
	const area = "Licences"
	tellAll(s, operation{id: "licences", route: "GET /v1/licences", role: RoleRead, area: area, text: "What the node may do, because of which option keys, and what is used."},
		func() Licences { return l.Licences() })
	act(s, operation{id: "install-option-key", route: "POST /v1/licences/keys", role: RoleAdmin, area: area, text: "Installs an option key that counts on this node."},
		func(ctx context.Context, in *bodyOf[NewKey]) error { return l.InstallKey(author(ctx), in.Body.Key) })
	act(s, operation{id: "remove-option-key", route: "DELETE /v1/licences/keys/{name}", role: RoleAdmin, area: area, text: "Removes an option key."},
		func(ctx context.Context, in *keyName) error { return l.RemoveKey(author(ctx), in.Name) })
	return s
}

// Licences says what a node may do, because of which keys.
func (c *Client) Licences(ctx context.Context) (Licences, error) {
	return ask[Licences](ctx, c, "GET", "/v1/licences")
}

// InstallKey installs an option key.
func (c *Client) InstallKey(ctx context.Context, key string) error {
	_, err := tell[struct{}](ctx, c, "POST", "/v1/licences/keys", NewKey{key})
	return err
}

// RemoveKey removes the option key with a number or a serial.
func (c *Client) RemoveKey(ctx context.Context, name string) error {
	_, err := ask[struct{}](ctx, c, "DELETE", "/v1/licences/keys/"+url.PathEscape(name))
	return err
}
