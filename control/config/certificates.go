package config

// Certificates are the files that TLS uses; empty: those in the state directory.
type Certificates struct {
	Server      string    `yaml:"server"`
	Key         string    `yaml:"key"`
	Trust       string    `yaml:"trust"`
	CRL         string    `yaml:"crl"`
	CRLCheck    CRLCheck  `yaml:"crl_check"`
	ClientCheck CertCheck `yaml:"client_check"`
}

// CRLCheck says how revocation is checked.
type CRLCheck string

// Revocation checks.
const (
	CRLOff  CRLCheck = "off"
	CRLPeer CRLCheck = "peer" // the peer's certificate
	CRLAll  CRLCheck = "all"  // and those it chains to
)

// CertCheck says what administrators' browsers must show.
type CertCheck string

// Client certificate checks.
const (
	CertNotRequired CertCheck = "not_required"
	CertValidate    CertCheck = "validate"
)

func certificateItems() []Item {
	return peer(live(
		Item{Path: "certificates.server", X: "Certificate Server File", Kind: file(), Unset: "server.pem in system.state", Text: "Server certificate with its chain, in PEM."},
		Item{Path: "certificates.key", X: "Certificate Key File", Kind: file(), Unset: "server.key in system.state", Text: "Its private key, in PEM."},
		Item{Path: "certificates.trust", X: "Certificate Trust File", Kind: file(), Unset: "trust.pem in system.state", Text: "Certificates of the authorities that are trusted, in PEM."},
		Item{Path: "certificates.crl", X: "Certificate CRL File", Kind: file(), Unset: "crl.pem in system.state", Text: "Certificate revocation lists, in PEM."},
		Item{Path: "certificates.crl_check", X: "Certificate CRLCheck Mode", Kind: words("off", "peer", "all"), Default: "off", Text: "Check the other side's certificate, or its whole chain, against the lists."},
		Item{Path: "certificates.client_check", X: "Administration HTTPS ClientCertificate", Kind: words("not_required", "validate"), Default: "not_required", Text: "Whether administration over HTTPS wants a client certificate."},
	)...)
}
