// Package access says who sent a request: a zone of the list, somebody registered or with
// an account, or anybody.
//
// It exists so that there is one answer to that, before anything is routed: passwords,
// certificates, the addresses of zones and the policies of zones and subzones meet here,
// and what is behind only asks who the caller is. It is closed by default: whom nothing
// names is a caller from the Default Zone, whom call policy lets do nothing unless a rule
// says so.
package access

import (
	"turnpike.dev/turnpike/control/zones"
)

// Caller is who sent a request.
type Caller struct {
	// Zone is where it came from: a zone of the list, the Local Zone for whoever is
	// registered or proved an account, else the Default Zone.
	Zone *zones.Zone
	// Subzone of a caller of the Local Zone.
	Subzone string
	// Authenticated: a password was checked, or the zone or subzone is treated so.
	Authenticated bool
	// Account is whose password was checked; empty: none was.
	Account string
	// Trusted: what it says of identities (RFC 3325) is believed, and it is told those of
	// others: a zone of the list.
	Trusted bool
	// Binding is the registration that the request came from; 0: none.
	Binding uint64
}
