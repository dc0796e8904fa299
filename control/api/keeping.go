package api

import (
	"context"
	"errors"
	"fmt"

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

// SigningRequest is what a certificate shall say.
type SigningRequest struct {
	CommonName   string   `json:"common_name"`
	Names        []string `json:"names,omitempty"` // further names
	Organization string   `json:"organization,omitempty"`
	Unit         string   `json:"unit,omitempty"`
	Locality     string   `json:"locality,omitempty"`
	Province     string   `json:"province,omitempty"`
	Country      string   `json:"country,omitempty"` // two letters
	Key          string   `json:"key,omitempty"`     // ecdsa256, rsa2048 or rsa4096
}

const (
	// maxKeeping bounds a restore: a backup of 48 MiB fits in base64.
	maxKeeping = 64 << 20
	// maxUpload bounds certificates, with the quotation that JSON needs.
	maxUpload = 4 * certificates.MaxPEM
)

// fingerprinted names an authority.
type fingerprinted struct {
	SHA256 string `path:"sha256" maxLength:"64" doc:"Its fingerprint."`
}

// Keep adds the operations of certificates and backups.
func (s *Server) Keep(k Keeper) *Server {
	a := keepAPI{k}
	const area = "Certificates"
	answer(s, operation{id: "show-certificates", route: "GET /v1/certificates", role: RoleRead, area: area, text: "What the node shows and trusts."},
		func(context.Context, *none) (Certificates, error) { return a.show() })
	answer(s, operation{id: "set-certificate", route: "PUT /v1/certificates/server", role: RoleAdmin, area: area, text: "Replaces the server certificate.", body: maxUpload}, changing(a,
		func(in *bodyOf[Upload]) error {
			return k.Certificates().SetServer([]byte(in.Body.Chain), []byte(in.Body.Key))
		}))
	answer(s, operation{id: "set-trust", route: "PUT /v1/certificates/trust", role: RoleAdmin, area: area, text: "Adds authorities, or replaces those that are trusted.", body: maxUpload}, changing(a, a.trust))
	answer(s, operation{id: "remove-trust", route: "DELETE /v1/certificates/trust/{sha256}", role: RoleAdmin, area: area, text: "Takes an authority out."}, changing(a,
		func(in *fingerprinted) error { return k.Certificates().RemoveTrust(in.SHA256) }))
	answer(s, operation{id: "set-revoked", route: "PUT /v1/certificates/revoked", role: RoleAdmin, area: area, text: "Replaces the revocation lists.", body: maxUpload}, changing(a,
		func(in *bodyOf[PEM]) error { return k.Certificates().SetRevoked([]byte(in.Body.Text)) }))
	answer(s, operation{id: "request-certificate", route: "POST /v1/certificates/request", role: RoleAdmin, area: area, text: "Makes a key and a signing request for it."}, a.request)
	answer(s, operation{id: "drop-request", route: "DELETE /v1/certificates/request", role: RoleAdmin, area: area, text: "Forgets the open signing request."}, changing(a,
		func(*none) error { return k.Certificates().DropRequest() }))
	answer(s, operation{id: "backup", route: "POST /v1/backup", role: RoleAdmin, area: "Node", text: "Makes a backup, encrypted with a password."}, a.backup)
	answer(s, operation{id: "restore", route: "POST /v1/restore", role: RoleAdmin, area: "Node", text: "Puts a backup in force, or nothing of it.", body: maxKeeping}, a.restore)
	return s
}

type keepAPI struct{ node Keeper }

func (a keepAPI) show() (Certificates, error) {
	c := a.node.Certificates()
	open, err := c.Requested()
	return Certificates{Server: c.ServerInfo(), Request: open, Trust: c.TrustInfo()}, err
}

// changing answers with what is there afterwards.
func changing[I any](a keepAPI, do func(*I) error) func(context.Context, *I) (Certificates, error) {
	return func(_ context.Context, in *I) (Certificates, error) {
		if err := do(in); err != nil {
			return Certificates{}, refused(err)
		}
		a.node.CertificatesChanged()
		return a.show()
	}
}

func (a keepAPI) trust(in *bodyOf[PEM]) error {
	if in.Body.Replace {
		return a.node.Certificates().SetTrust([]byte(in.Body.Text))
	}
	return a.node.Certificates().AddTrust([]byte(in.Body.Text))
}

func (a keepAPI) request(_ context.Context, in *bodyOf[SigningRequest]) (PEM, error) {
	b := in.Body
	text, err := a.node.Certificates().NewRequest(certificates.Request{
		CommonName: b.CommonName, Names: b.Names, Organization: b.Organization, Unit: b.Unit,
		Locality: b.Locality, Province: b.Province, Country: b.Country, Key: certificates.KeyType(b.Key),
	})
	return PEM{Text: string(text)}, refused(err)
}

// BackupFile is a backup, encrypted.
type BackupFile struct {
	File []byte `json:"file"`
}

func (a keepAPI) backup(_ context.Context, in *bodyOf[Password]) (BackupFile, error) {
	file, err := a.node.Backup(in.Body.Password)
	return BackupFile{File: file}, refused(err)
}

func (a keepAPI) restore(ctx context.Context, in *bodyOf[Restore]) (Restored, error) {
	done, err := a.node.Restore(author(ctx), in.Body)
	return done, refused(err)
}

// refused makes an error one that the asker can mend.
func refused(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrRefused, err)
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
	return tell[PEM](ctx, c, "POST", "/v1/certificates/request", SigningRequest{
		CommonName: r.CommonName, Names: r.Names, Organization: r.Organization, Unit: r.Unit,
		Locality: r.Locality, Province: r.Province, Country: r.Country, Key: string(r.Key),
	})
}

// DropRequest forgets the open signing request.
func (c *Client) DropRequest(ctx context.Context) (Certificates, error) {
	return ask[Certificates](ctx, c, "DELETE", "/v1/certificates/request")
}

// Backup asks for the node's backup.
func (c *Client) Backup(ctx context.Context, password string) ([]byte, error) {
	got, err := tell[BackupFile](ctx, c, "POST", "/v1/backup", Password{password})
	return got.File, err
}

// Restore puts a backup in force.
func (c *Client) Restore(ctx context.Context, in Restore) (Restored, error) {
	return tell[Restored](ctx, c, "POST", "/v1/restore", in)
}
