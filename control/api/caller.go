package api

import (
	"context"
	"net"
	"os/user"
	"strconv"
	"time"

	"turnpike.dev/turnpike/control/accounts"
	"turnpike.dev/turnpike/control/config/store"
)

// Caller is who asks: a user of the machine at the socket, or an account over HTTPS.
type Caller struct {
	Name string
	From string // SocketName, or an address
	Role Role
	root bool // root of the machine, who alone may see passwords and keys

	// Over HTTPS: what was shown, a token with its end or the password of an account.
	guard   *accounts.Guard
	token   string
	until   time.Time
	account accounts.Account
}

type callerKey struct{}

func withCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// callerOf returns who asks. Somebody unknown may do nothing.
func callerOf(ctx context.Context) Caller {
	if c, ok := ctx.Value(callerKey{}).(Caller); ok {
		return c
	}
	return Caller{Name: "unknown", From: SocketName}
}

// author names who asks, for revisions and records.
func author(ctx context.Context) store.Author {
	c := callerOf(ctx)
	return store.Author{User: c.Name, From: c.From}
}

// isRoot reports whether root is at the other end of the socket.
func isRoot(ctx context.Context) bool { return callerOf(ctx).root }

// withPeer keeps who is at the other end of a unix socket: root or the node's own user,
// for the listener lets nobody else in.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return ctx
	}
	uid, err := peerUID(u)
	if err != nil || !mayCommand(uid) {
		return ctx
	}
	name := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(name); err == nil {
		name = u.Username
	}
	return withCaller(ctx, Caller{Name: name, From: SocketName, Role: RoleAdmin, root: uid == 0})
}
