package mesh

import "crypto/x509"

// OwnFault says what is wrong with the certificate that this node shows, as its peers see it in Enforce where they trust whom it
// trusts; empty: it is valid. address is this node's own entry (CL-05).
func (m *Mesh) OwnFault(address string) string {
	var chain []*x509.Certificate
	for _, der := range m.cfg.Certificate().Certificate {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return inWords(err)
		}
		chain = append(chain, c)
	}
	if len(chain) == 0 {
		return "there is none"
	}
	return m.fault(address, chain)
}
