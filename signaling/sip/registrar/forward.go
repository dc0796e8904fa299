package registrar

import "turnpike.dev/turnpike/control/alias"

// forward sends a REGISTER for somebody else's domain on (RG-10).
func (r *Registrar) forward(t server, _ alias.Alias) { t.Reply(403, "Domain Not Served") }
