package api

import (
	"context"
	"fmt"
	"net/url"
	"strconv"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/config/store"
)

// Config asks for the configuration of a revision, 0 for what is in force.
func (c *Client) Config(ctx context.Context, revision int, scope config.Scope, defaults bool) (Document, error) {
	q := url.Values{"scope": {string(scope)}}
	if revision != 0 {
		q.Set("revision", strconv.Itoa(revision))
	}
	if defaults {
		q.Set("defaults", "on")
	}
	return ask[Document](ctx, c, "GET", "/v1/config?"+q.Encode())
}

// ConfigItem asks what an item is set to.
func (c *Client) ConfigItem(ctx context.Context, path string) (Item, error) {
	return ask[Item](ctx, c, "GET", "/v1/config/item?"+url.Values{"path": {path}}.Encode())
}

// ConfigDiff asks what differs between two revisions; 0 is what is in force.
func (c *Client) ConfigDiff(ctx context.Context, from, to int) ([]config.Change, error) {
	q := url.Values{}
	for name, n := range map[string]int{"from": from, "to": to} {
		if n != 0 {
			q.Set(name, strconv.Itoa(n))
		}
	}
	return ask[[]config.Change](ctx, c, "GET", "/v1/config/diff?"+q.Encode())
}

// ConfigHistory asks for the newest revisions.
func (c *Client) ConfigHistory(ctx context.Context, limit int) ([]store.Info, error) {
	return ask[[]store.Info](ctx, c, "GET", fmt.Sprintf("/v1/config/history?limit=%d", limit))
}

// ConfigPropose makes a change, or asks what it would change.
func (c *Client) ConfigPropose(ctx context.Context, p Proposal) (Changed, error) {
	return tell[Changed](ctx, c, "POST", "/v1/config/propose", p)
}

// ConfigRollback makes the configuration of an earlier revision a new one.
func (c *Client) ConfigRollback(ctx context.Context, revision int) (Changed, error) {
	return ask[Changed](ctx, c, "POST", fmt.Sprintf("/v1/config/rollback/%d", revision))
}
