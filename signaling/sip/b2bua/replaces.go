package b2bua

// replace looks for the dialog that an INVITE replaces (RFC 3891). It reports whether the
// call goes its own way.
func (c *call) replace() bool { return false }
