package config

// Certificates say what is asked of certificates. The node's own, the authorities it
// trusts and their revocation lists are uploaded (`turnpike certificate`) and kept in
// the state directory.
type Certificates struct {
	ClientCheck CertCheck `yaml:"client_check"`
}

// CertCheck says what administrators' browsers must show.
type CertCheck string

// Client certificate checks.
const (
	CertNotRequired CertCheck = "not_required"
	CertValidate    CertCheck = "validate"
)

func certificateItems() []Item {
	return peer(live(
		Item{Path: "certificates.client_check", X: "Administration HTTPS ClientCertificate", Kind: words("not_required", "validate"), Default: "not_required", Text: "Whether administration over HTTPS wants a client certificate."},
	)...)
}
