package api

import "slices"

// Role is what somebody may do with a node; each includes those before it.
type Role string

// Roles.
const (
	RoleRead    Role = "read"    // look
	RoleOperate Role = "operate" // end calls and relays, drain, acknowledge
	RoleAdmin   Role = "admin"   // change the configuration, certificates, the node itself
)

// roles in order.
var roles = []Role{RoleRead, RoleOperate, RoleAdmin}

// May reports whether a role includes another. What is no role includes nothing.
func (r Role) May(needed Role) bool {
	have, want := slices.Index(roles, r), slices.Index(roles, needed)
	return want >= 0 && have >= want
}
