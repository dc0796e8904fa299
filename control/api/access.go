package api

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"turnpike.dev/turnpike/control/certificates"
)

// Access is how a node is reached over the network.
type Access struct {
	Node string // https://HOST or https://HOST:PORT
	// Token, or User and Password.
	Token, User, Password string
	// Pin is the SHA-256 of the node's certificate; without one it must lead to an
	// authority of the system or of Authorities (PEM).
	Pin         string
	Authorities []byte
}

// NewRemoteClient returns a client for a node over HTTPS.
func NewRemoteClient(a Access) (*Client, error) {
	base, err := NodeURL(a.Node)
	if err != nil {
		return nil, err
	}
	trust, err := trusting(a.Authorities)
	if err != nil {
		return nil, err
	}
	if a.Pin != "" {
		trust = pinned(a.Pin)
	}
	c := &Client{base: base, where: base}
	c.http = &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: trust, DisableKeepAlives: true,
			TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: maxWait + 10*time.Second, MaxResponseHeaderBytes: 64 << 10,
		},
		// Who is sent elsewhere would show the token there.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	c.authorize = func(r *http.Request) {
		switch {
		case a.Token != "":
			r.Header.Set("Authorization", "Bearer "+a.Token)
		case a.User != "":
			r.SetBasicAuth(a.User, a.Password)
		}
	}
	return c, nil
}

// NodeURL returns the usual spelling of where a node is.
func NodeURL(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("%q is no node: want https://HOST or https://HOST:PORT", text)
	}
	return "https://" + u.Host, nil
}

// NoClient returns a client that answers everything with an error.
func NoClient(err error) *Client {
	return &Client{broken: err, http: &http.Client{}}
}

// Session asks who the client is for the node.
func (c *Client) Session(ctx context.Context) (Session, error) {
	return ask[Session](ctx, c, "GET", "/v1/session")
}

// LogIn asks for a token.
func (c *Client) LogIn(ctx context.Context) (Session, error) {
	return ask[Session](ctx, c, "POST", "/v1/session")
}

// LogOut ends the client's token.
func (c *Client) LogOut(ctx context.Context) error {
	_, err := ask[struct{}](ctx, c, "DELETE", "/v1/session")
	return err
}

// distrusted says what certificate was shown, and how to trust it if it is the right one.
func distrusted(err error) (string, bool) {
	var wrong *tls.CertificateVerificationError
	if !errors.As(err, &wrong) || len(wrong.UnverifiedCertificates) == 0 {
		return "", false
	}
	shown := certificates.Fingerprint(wrong.UnverifiedCertificates[0])
	return fmt.Sprintf("the node's certificate is not trusted: %v. Its SHA-256 is %s: if that is what `turnpike certificate show -o json` says on the node, add --pin %s; or name the authority with --ca FILE", wrong.Err, shown, shown), true
}
