package locate

import (
	"cmp"
	"slices"
)

// record is an SRV record.
type record struct {
	priority, weight, port uint16
	target                 string
}

// order sorts records as RFC 2782 has it: by priority, and those of one priority by
// drawing lots in which a weight is the number of lots. Those of weight 0 stand in
// front, so that they are drawn too, if hardly ever.
func order(records []record, random func(n int) int) []record {
	rest := slices.Clone(records)
	slices.SortStableFunc(rest, func(a, b record) int {
		return cmp.Or(cmp.Compare(a.priority, b.priority), cmp.Compare(min(a.weight, 1), min(b.weight, 1)))
	})
	out := make([]record, 0, len(rest))
	for len(rest) > 0 {
		group := rest[:equals(rest)]
		at := draw(group, random)
		out = append(out, rest[at])
		rest = slices.Delete(rest, at, at+1)
	}
	return out
}

// equals counts the records at the front that have one priority.
func equals(records []record) int {
	n := 1
	for n < len(records) && records[n].priority == records[0].priority {
		n++
	}
	return n
}

func draw(group []record, random func(n int) int) int {
	total := 0
	for _, r := range group {
		total += int(r.weight)
	}
	lot, sum := random(total+1), 0
	for i, r := range group {
		if sum += int(r.weight); sum >= lot {
			return i
		}
	}
	return len(group) - 1
}
