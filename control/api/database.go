package api

import (
	"context"
	"net/url"
	"strconv"

	"turnpike.dev/turnpike/control/clustering"
)

// Database is what a node has agreed with its peers and copied of theirs. All of it is for root of the machine alone (OP-05).
type Database interface {
	Database(ctx context.Context) (clustering.Database, error)
	// DatabaseRows returns rows of a peer's table, by its place, address, name or id; empty: this node's own.
	DatabaseRows(ctx context.Context, of, prefix string, most int) (clustering.Rows, error)
	DatabaseLedger() (clustering.Ledger, error)
	// ResyncPeer has the copy of a peer's rows made anew.
	ResyncPeer(ctx context.Context, peer string) error
	// ForgetPeer frees what a dead peer had; name confirms which is meant.
	ForgetPeer(ctx context.Context, peer, name string) error
	// PurgeDatabase removes this node's part of the database at the restart that follows; name is this node's (OP-06).
	PurgeDatabase(name string) error
}

type (
	databaseRows struct {
		Of     string `query:"of" maxLength:"255" doc:"Whose: place, address, name or id of a peer; none: this node's own."`
		Prefix string `query:"prefix" maxLength:"64" doc:"Only keys that begin so: r/ registrations, u/ usage."`
		Most   int    `query:"most" minimum:"1" maximum:"10000" default:"1000" doc:"How many at most."`
	}
	databasePeer struct {
		Peer string `path:"peer" maxLength:"255" doc:"Place, address, name or id of a peer."`
	}
	databaseForget struct {
		Peer string `path:"peer" maxLength:"255" doc:"Place, address, name or id of a peer."`
		Body Confirmation
	}
)

// Inspect adds the operations of the database.
func (s *Server) Inspect(d Database) *Server {
	const area = "Database"
	answer(s, operation{id: "show-database", route: "GET /v1/database", role: RoleAdmin, root: true, area: area, text: "What is agreed with the peers and copied of theirs (root at the socket)."},
		func(ctx context.Context, _ *none) (clustering.Database, error) {
			out, err := d.Database(ctx)
			return out, refused(err)
		})
	answer(s, operation{id: "list-database-rows", route: "GET /v1/database/rows", role: RoleAdmin, root: true, area: area, text: "Rows of a peer's table as this node has it (root at the socket)."},
		func(ctx context.Context, in *databaseRows) (clustering.Rows, error) {
			out, err := d.DatabaseRows(ctx, in.Of, in.Prefix, in.Most)
			return out, refused(err)
		})
	answer(s, operation{id: "show-database-ledger", route: "GET /v1/database/ledger", role: RoleAdmin, root: true, area: area, text: "What is agreed on who may use how much (root at the socket)."},
		func(context.Context, *none) (clustering.Ledger, error) {
			out, err := d.DatabaseLedger()
			return out, refused(err)
		})
	act(s, operation{id: "resync-peer", route: "POST /v1/database/peers/{peer}/resync", role: RoleAdmin, root: true, area: area, text: "Makes the copy of a peer's rows anew (root at the socket)."},
		func(ctx context.Context, in *databasePeer) error { return refused(d.ResyncPeer(ctx, in.Peer)) })
	act(s, operation{id: "forget-peer", route: "POST /v1/database/peers/{peer}/forget", role: RoleAdmin, root: true, area: area, text: "Frees what a dead peer had of licences and bandwidth (root at the socket)."},
		func(ctx context.Context, in *databaseForget) error {
			return refused(d.ForgetPeer(ctx, in.Peer, in.Body.Name))
		})
	act(s, operation{id: "purge-database", route: "POST /v1/database/purge", role: RoleAdmin, root: true, area: area, text: "Removes this node's part of the database and restarts (root at the socket)."},
		func(_ context.Context, in *bodyOf[Confirmation]) error { return refused(d.PurgeDatabase(in.Body.Name)) })
	return s
}

// Database asks what is agreed with the peers and copied of theirs.
func (c *Client) Database(ctx context.Context) (clustering.Database, error) {
	return ask[clustering.Database](ctx, c, "GET", "/v1/database")
}

// DatabaseRows asks for rows of a peer's table.
func (c *Client) DatabaseRows(ctx context.Context, of, prefix string, most int) (clustering.Rows, error) {
	q := url.Values{"most": {strconv.Itoa(most)}}
	if of != "" {
		q.Set("of", of)
	}
	if prefix != "" {
		q.Set("prefix", prefix)
	}
	return ask[clustering.Rows](ctx, c, "GET", "/v1/database/rows?"+q.Encode())
}

// DatabaseLedger asks what is agreed on who may use how much.
func (c *Client) DatabaseLedger(ctx context.Context) (clustering.Ledger, error) {
	return ask[clustering.Ledger](ctx, c, "GET", "/v1/database/ledger")
}

// ResyncPeer has the copy of a peer's rows made anew.
func (c *Client) ResyncPeer(ctx context.Context, peer string) error {
	_, err := ask[struct{}](ctx, c, "POST", "/v1/database/peers/"+url.PathEscape(peer)+"/resync")
	return err
}

// ForgetPeer frees what a dead peer had.
func (c *Client) ForgetPeer(ctx context.Context, peer, name string) error {
	_, err := tell[struct{}](ctx, c, "POST", "/v1/database/peers/"+url.PathEscape(peer)+"/forget", Confirmation{name})
	return err
}

// PurgeDatabase removes the part of the database that the node of that name has, and restarts it.
func (c *Client) PurgeDatabase(ctx context.Context, name string) error {
	_, err := tell[struct{}](ctx, c, "POST", "/v1/database/purge", Confirmation{name})
	return err
}
