package rows

import (
	"strings"

	"turnpike.dev/turnpike/cluster"
)

// Listed is a row as a table has it, be it the one that counts or not (OP-05).
type Listed struct {
	Key   Key
	Owner cluster.ID
	Row   Row
	// Counts: it is the one that is looked up under its key.
	Counts bool
}

// List returns rows of a peer's table, or of this node's own, by their keys: at most so many with a prefix, and how many there
// are of them.
func (c *Core) List(owner cluster.ID, prefix string, most int) (list []Listed, all int) {
	if owner == c.cfg.Self {
		return listed(c, owner, c.own.rows, func(r Row) Row { return r }, prefix, most)
	}
	if r := c.copies[owner]; r != nil {
		return listed(c, owner, r.rows, func(r copied) Row { return r.Row }, prefix, most)
	}
	return nil, 0
}

func listed[V any](c *Core, owner cluster.ID, table map[Key]V, row func(V) Row, prefix string, most int) (list []Listed, all int) {
	for _, k := range sorted(table) {
		if !strings.HasPrefix(string(k), prefix) {
			continue
		}
		if all++; len(list) < most {
			list = append(list, Listed{k, owner, row(table[k]), c.shown[k].Found && c.shown[k].Owner == owner})
		}
	}
	return list, all
}
