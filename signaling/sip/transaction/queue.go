package transaction

import "time"

// queue is records in the order in which they are to be forgotten. All stay equally long, so that the order is the one
// in which they came.
type queue struct {
	delay time.Duration
	list  []due
	head  int
	armed bool
}

type due struct {
	key  key
	when int64 // Unix nanoseconds: half of what a time.Time and its location take
}

func (q *queue) add(k key, now time.Time) {
	if q.head > 0 && len(q.list) == cap(q.list) { // make room at the end before growing
		n := copy(q.list, q.list[q.head:])
		q.list, q.head = q.list[:n], 0
	}
	q.list = append(q.list, due{k, now.Add(q.delay).UnixNano()})
}

// first is the one that is to be forgotten next.
func (q *queue) first() (k key, when time.Time, any bool) {
	if q.head == len(q.list) {
		return key{}, time.Time{}, false
	}
	d := q.list[q.head]
	return d.key, time.Unix(0, d.when), true
}

func (q *queue) drop() {
	q.head++
	if q.head == len(q.list) {
		q.list, q.head = q.list[:0], 0
		if cap(q.list) > 4096 {
			q.list = nil // a burst is no reason to keep its memory
		}
	}
}
