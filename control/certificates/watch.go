package certificates

import (
	"context"
	"crypto/x509"
	"fmt"
	"time"
)

// Alarms of the server certificate, by their numbers in the catalogue.
const (
	AlarmNoName   = 40052 // certificate without a common name
	AlarmExpired  = 40068
	AlarmExpiring = 40069
)

// Alarms is told what is wrong with the server certificate. Both may be repeated.
type Alarms interface {
	Raise(number int, key, detail string)
	Lower(number int, key string)
}

const (
	warnBefore = 30 * 24 * time.Hour
	watchEvery = time.Hour
)

// alarmKey: a node has one server certificate.
const alarmKey = "server"

// Watch raises and lowers the alarms of the server certificate until ctx ends.
func (s *Store) Watch(ctx context.Context, alarms Alarms) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		s.Judge(alarms)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Judge raises and lowers the alarms of the server certificate as it is now.
func (s *Store) Judge(alarms Alarms) {
	c := s.Server().Leaf
	now := s.cfg.Now()
	left := c.NotAfter.Sub(now)
	set(alarms, AlarmExpired, left <= 0, "expired at "+c.NotAfter.UTC().Format(time.RFC3339))
	set(alarms, AlarmExpiring, left > 0 && left <= warnBefore, fmt.Sprintf("expires in %d days, at %s", left/(24*time.Hour), c.NotAfter.UTC().Format(time.RFC3339)))
	set(alarms, AlarmNoName, c.Subject.CommonName == "", "serial number "+c.SerialNumber.Text(16))
}

func set(alarms Alarms, number int, standing bool, detail string) {
	if standing {
		alarms.Raise(number, alarmKey, detail)
		return
	}
	alarms.Lower(number, alarmKey)
}

// Info is what an operator sees of a certificate.
type Info struct {
	Subject     string    `json:"subject"`
	Issuer      string    `json:"issuer"`
	Names       []string  `json:"names"`
	NotBefore   time.Time `json:"not_before"`
	NotAfter    time.Time `json:"not_after"`
	SelfSigned  bool      `json:"self_signed"`
	Fingerprint string    `json:"sha256"`
}

// ServerInfo describes the server certificate.
func (s *Store) ServerInfo() Info { return info(s.Server().Leaf) }

// TrustInfo describes the trusted authorities.
func (s *Store) TrustInfo() []Info {
	authorities := s.trusted.Load().authorities
	all := make([]Info, len(authorities))
	for i, c := range authorities {
		all[i] = info(c)
	}
	return all
}

func info(c *x509.Certificate) Info {
	names := append([]string{}, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	return Info{
		Subject: c.Subject.String(), Issuer: c.Issuer.String(), Names: names,
		NotBefore: c.NotBefore, NotAfter: c.NotAfter, SelfSigned: selfSigned(c), Fingerprint: Fingerprint(c),
	}
}
