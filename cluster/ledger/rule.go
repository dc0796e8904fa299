package ledger

// By which rule a ceiling is used: only while the lease runs (leased, of policy available), or always (strict).
//
// A total says which rule there should be; what counts for the safety of a lost peer's ceiling is which rule its
// holder goes by. So the holder says it in each request, and the table has it with the grant. The stricter use is
// begun here first and told then; the freer one begins when it stands in the table: from then on nobody frees the
// ceiling by policy. A side without a leader counts what its peers use leased, whatever its configuration says
// meanwhile.

// leases says whether a ceiling should be used only while the lease runs.
func (c *Core) leases(r Resource, h *holding) bool {
	agreed, a := c.table.Totals[r]
	own, o := c.totals[r]
	switch {
	case c.aside != nil:
		return h.leased
	case a:
		return agreed.Policy == Available
	case o:
		return own.Policy == Available
	}
	return h.leased
}

// lease begins to use a ceiling only while the lease runs.
func (c *Core) lease(r Resource, h *holding) {
	if !h.leased {
		h.leased = true
		c.do(Leased{r, true})
	}
}

// unlease uses a ceiling from now on without the lease, if that stands in the table.
func (c *Core) unlease(r Resource, h *holding, g Grant) {
	if h.leased && !g.Leased {
		h.leased = false
		c.do(Leased{r, false})
	}
}

// loose says that a resource may be counted without a leader: it is of policy available, for the agreement and for this
// node.
func (c *Core) loose(r Resource) bool {
	agreed, a := c.table.Totals[r]
	own, o := c.totals[r]
	return (a || o) && (!a || agreed.Policy == Available) && (!o || own.Policy == Available)
}
