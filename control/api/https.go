package api

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"turnpike.dev/turnpike/control/accounts"
)

// Bounds of what the network may have open at a time.
const (
	maxConnections          = 128
	maxConnectionsOfAddress = 16
)

// ServeHTTPS answers accounts on l until ctx ends. config shows the node's certificate.
func (s *Server) ServeHTTPS(ctx context.Context, l net.Listener, config *tls.Config, guard *accounts.Guard) error {
	config = config.Clone()
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	config.NextProtos = []string{"http/1.1"}
	return serveHTTP(ctx, tls.NewListener(bounded(l), config), s.Remote(guard))
}

// Remote is what answers over HTTPS: everything that is asked comes from an account.
func (s *Server) Remote(guard *accounts.Guard) http.Handler {
	door := &door{guard: guard, next: s.survived(s.mux), log: s.log}
	// HTTP/1.1 alone: a connection asks one thing at a time, so that bounding connections
	// bounds everything.
	return secured(http.NewCrossOriginProtection().Handler(door))
}

// secured sets the headers that keep browsers from doing what nobody meant.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Strict-Transport-Security", "max-age=31536000")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		next.ServeHTTP(w, r)
	})
}

// door finds out who asks before anything else is looked at.
type door struct {
	guard *accounts.Guard
	next  http.Handler
	log   Recorder
}

// answerWithin is how long an answer may take that is not a stream; streams set their own.
const answerWithin = 2 * time.Minute

// ServeHTTP lets in who has a password or a token.
func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerWithin)) // what cannot is no connection
	who, err := d.caller(r)
	if err != nil {
		d.turnAway(w, err)
		return
	}
	d.next.ServeHTTP(w, r.WithContext(withCaller(r.Context(), who)))
}

// caller returns who a request is from.
func (d *door) caller(r *http.Request) (Caller, error) {
	from := addressOf(r.RemoteAddr)
	if token, ok := bearer(r); ok {
		a, until, err := d.guard.Token(token)
		return Caller{Name: a.Name, From: from.String(), Role: Role(a.Role), token: token, until: until, guard: d.guard}, err
	}
	name, password, ok := r.BasicAuth()
	if !ok {
		return Caller{}, accounts.ErrDenied
	}
	a, fresh, err := d.guard.Password(r.Context(), name, password, from)
	if fresh {
		d.record(name, from, err)
	}
	return Caller{Name: a.Name, From: from.String(), Role: Role(a.Role), account: a, guard: d.guard}, err
}

// record writes log-ins to the event log. A name that is nobody's is left out: it may be a
// password in the wrong place.
func (d *door) record(name string, from netip.Addr, err error) {
	if d.log == nil {
		return
	}
	if _, known := d.guard.Find(name); !known {
		name = "unknown"
	}
	var wait *accounts.Wait
	switch {
	case err == nil:
		d.log.Event("Admin Login", "User", name, "Src", from)
	case errors.As(err, &wait):
		d.log.Event("Admin Login Shut Out", "Detail", err, "User", name, "Src", from)
	default:
		d.log.Event("Admin Login Failed", "Detail", err, "User", name, "Src", from)
	}
}

// turnAway answers somebody who is not let in; the answer is the same whatever was wrong.
func (d *door) turnAway(w http.ResponseWriter, err error) {
	var wait *accounts.Wait
	switch {
	case errors.As(err, &wait):
		w.Header().Set("Retry-After", strconv.Itoa(int(wait.For/time.Second)+1))
		refuse(w, problem(http.StatusTooManyRequests, err.Error()))
	case errors.Is(err, accounts.ErrBusy):
		w.Header().Set("Retry-After", "5")
		refuse(w, problem(http.StatusServiceUnavailable, err.Error()))
	default:
		w.Header().Add("WWW-Authenticate", `Bearer realm="turnpike"`)
		w.Header().Add("WWW-Authenticate", `Basic realm="turnpike", charset="UTF-8"`)
		refuse(w, problem(http.StatusUnauthorized, accounts.ErrDenied.Error()+": log in with `turnpike login`, or send name and password of an account (admin.accounts)"))
	}
}

func bearer(r *http.Request) (string, bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(token), ok && strings.EqualFold(scheme, "Bearer")
}

// addressOf returns the address of a remote end. What is none gets the one that nobody has.
func addressOf(remote string) netip.Addr {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.IPv6Unspecified()
	}
	return at.Addr().Unmap()
}

// hostText is what the name of a host may be made of.
var hostText = regexp.MustCompile(`^([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])$`)

// Redirect sends browsers that come over HTTP on l to HTTPS on a port, until ctx ends. It
// answers nothing else: what else came here came in the clear.
func Redirect(ctx context.Context, l net.Listener, port uint16) error {
	return serveHTTP(ctx, bounded(l), redirect(port))
}

func redirect(port uint16) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if at := strings.LastIndexByte(host, ':'); at > strings.LastIndexByte(host, ']') {
			host = host[:at]
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead || !hostText.MatchString(host) {
			w.Header().Set("Connection", "close")
			refuse(w, problem(http.StatusForbidden, "this node is administered over HTTPS only"))
			return
		}
		if port != 443 {
			host += ":" + strconv.Itoa(int(port))
		}
		to := url.URL{Scheme: "https", Host: host, Path: r.URL.Path, RawQuery: r.URL.RawQuery}
		http.Redirect(w, r, to.String(), http.StatusPermanentRedirect)
	})
}
