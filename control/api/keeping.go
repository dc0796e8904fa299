package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"turnpike.dev/turnpike/control/backup"
	"turnpike.dev/turnpike/control/certificates"
	"turnpike.dev/turnpike/control/config/store"
)

// Keeper keeps what a node shows, trusts and must not lose.
type Keeper interface {
	Certificates() *certificates.Store
	// CertificatesChanged is called after a change, for the alarms.
	CertificatesChanged()
	// Backup returns the node's backup, encrypted with a password.
	Backup(password string) ([]byte, error)
	// Restore puts a backup's configuration and certificates in force, or nothing of it.
	Restore(author store.Author, in Restore) (Restored, error)
}

// ErrRefused means that what was asked for must not be done now.
var ErrRefused = errors.New("refused")

// Certificates is what a node shows and trusts.
type Certificates struct {
	Server  certificates.Info   `json:"server"`
	Request bool                `json:"request_open"` // a signing request waits for its certificate
	Trust   []certificates.Info `json:"trust"`
}

// Upload is a certificate with its chain, and its key unless a signing request has it.
type Upload struct {
	Chain string `json:"chain"`
	Key   string `json:"key,omitempty"`
}

// PEM is a text of certificates, revocation lists or a signing request.
type PEM struct {
	Text string `json:"pem"`
	// Replace: instead of what is there, not beside it.
	Replace bool `json:"replace,omitempty"`
}

// Password opens a backup.
type Password struct {
	Password string `json:"password"`
}

// Restore is a backup to put in force.
type Restore struct {
	Password string `json:"password"`
	File     []byte `json:"file"`
	// Peer: also the items that belong to the node it was made on (†).
	Peer bool `json:"peer_specific,omitempty"`
	// Try only checks the file and tells what would change.
	Try bool `json:"try,omitempty"`
}

// Restored is what a restore came to.
type Restored struct {
	Changed
	From backup.Manifest `json:"from"`
}

// maxKeeping bounds a request: a backup of 48 MiB fits in base64.
const maxKeeping = 64 << 20

// Keep adds the routes of certificates and backups.
func (s *Server) Keep(k Keeper) *Server {
	a := keepAPI{k}
	s.mux.HandleFunc("GET /v1/certificates", a.show)
	s.mux.HandleFunc("PUT /v1/certificates/server", a.change(a.upload))
	s.mux.HandleFunc("PUT /v1/certificates/trust", a.change(a.trust))
	s.mux.HandleFunc("DELETE /v1/certificates/trust/{sha256}", a.change(a.distrust))
	s.mux.HandleFunc("PUT /v1/certificates/revoked", a.change(a.revoked))
	s.mux.HandleFunc("POST /v1/certificates/request", a.request)
	s.mux.HandleFunc("DELETE /v1/certificates/request", a.change(func(*http.Request) error { return k.Certificates().DropRequest() }))
	s.mux.HandleFunc("POST /v1/backup", a.backup)
	s.mux.HandleFunc("POST /v1/restore", a.restore)
	return s
}

type keepAPI struct{ node Keeper }

func (a keepAPI) show(w http.ResponseWriter, _ *http.Request) {
	c := a.node.Certificates()
	open, err := c.Requested()
	if err != nil {
		refuse(w, err)
		return
	}
	reply(w, Certificates{Server: c.ServerInfo(), Request: open, Trust: c.TrustInfo()})
}

// change answers with what is there afterwards.
func (a keepAPI) change(do func(*http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := do(r); err != nil {
			refuse(w, fmt.Errorf("%w: %w", ErrRefused, err))
			return
		}
		a.node.CertificatesChanged()
		a.show(w, r)
	}
}

func (a keepAPI) upload(r *http.Request) error {
	in, err := read[Upload](r)
	if err != nil {
		return err
	}
	return a.node.Certificates().SetServer([]byte(in.Chain), []byte(in.Key))
}

func (a keepAPI) trust(r *http.Request) error {
	in, err := read[PEM](r)
	switch {
	case err != nil:
		return err
	case in.Replace:
		return a.node.Certificates().SetTrust([]byte(in.Text))
	}
	return a.node.Certificates().AddTrust([]byte(in.Text))
}

func (a keepAPI) distrust(r *http.Request) error {
	return a.node.Certificates().RemoveTrust(r.PathValue("sha256"))
}

func (a keepAPI) revoked(r *http.Request) error {
	in, err := read[PEM](r)
	if err != nil {
		return err
	}
	return a.node.Certificates().SetRevoked([]byte(in.Text))
}

func (a keepAPI) request(w http.ResponseWriter, r *http.Request) {
	in, err := read[certificates.Request](r)
	var text []byte
	if err == nil {
		text, err = a.node.Certificates().NewRequest(in)
	}
	if err != nil {
		refuse(w, fmt.Errorf("%w: %w", ErrRefused, err))
		return
	}
	reply(w, PEM{Text: string(text)})
}

func (a keepAPI) backup(w http.ResponseWriter, r *http.Request) {
	in, err := read[Password](r)
	var file []byte
	if err == nil {
		file, err = a.node.Backup(in.Password)
	}
	if err != nil {
		refuse(w, fmt.Errorf("%w: %w", ErrRefused, err))
		return
	}
	reply(w, Restore{File: file})
}

func (a keepAPI) restore(w http.ResponseWriter, r *http.Request) {
	in, err := read[Restore](r)
	var done Restored
	if err == nil {
		done, err = a.node.Restore(author(r.Context()), in)
	}
	if err != nil {
		refuse(w, fmt.Errorf("%w: %w", ErrRefused, err))
		return
	}
	reply(w, done)
}

func read[T any](r *http.Request) (T, error) {
	var in T
	err := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxKeeping)).Decode(&in)
	if err != nil {
		return in, fmt.Errorf("read the request: %w", err)
	}
	return in, nil
}

// Certificates asks what the node shows and trusts.
func (c *Client) Certificates(ctx context.Context) (Certificates, error) {
	return ask[Certificates](ctx, c, "GET", "/v1/certificates")
}

// SetServerCertificate replaces the server certificate.
func (c *Client) SetServerCertificate(ctx context.Context, u Upload) (Certificates, error) {
	return tell[Certificates](ctx, c, "PUT", "/v1/certificates/server", u)
}

// SetTrust adds authorities, or replaces those that are trusted.
func (c *Client) SetTrust(ctx context.Context, p PEM) (Certificates, error) {
	return tell[Certificates](ctx, c, "PUT", "/v1/certificates/trust", p)
}

// RemoveTrust takes an authority out by its fingerprint.
func (c *Client) RemoveTrust(ctx context.Context, sha256 string) (Certificates, error) {
	return ask[Certificates](ctx, c, "DELETE", "/v1/certificates/trust/"+sha256)
}

// SetRevoked replaces the revocation lists.
func (c *Client) SetRevoked(ctx context.Context, p PEM) (Certificates, error) {
	return tell[Certificates](ctx, c, "PUT", "/v1/certificates/revoked", p)
}

// RequestCertificate makes a key and a signing request.
func (c *Client) RequestCertificate(ctx context.Context, r certificates.Request) (PEM, error) {
	return tell[PEM](ctx, c, "POST", "/v1/certificates/request", r)
}

// DropRequest forgets the open signing request.
func (c *Client) DropRequest(ctx context.Context) (Certificates, error) {
	return ask[Certificates](ctx, c, "DELETE", "/v1/certificates/request")
}

// Backup asks for the node's backup.
func (c *Client) Backup(ctx context.Context, password string) ([]byte, error) {
	got, err := tell[Restore](ctx, c, "POST", "/v1/backup", Password{password})
	return got.File, err
}

// Restore puts a backup in force.
func (c *Client) Restore(ctx context.Context, in Restore) (Restored, error) {
	return tell[Restored](ctx, c, "POST", "/v1/restore", in)
}
