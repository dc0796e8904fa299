package digest

import "sync"

const (
	windowSets = 8192
	windowWays = 8
	windowBits = 64
)

// used is which counts of a nonce were seen: the highest, and those right below it.
type used struct {
	stamp
	highest uint32
	below   uint64 // bit i: highest-1-i was seen
}

// set remembers the nonces that hash to it. forgot is the newest second of issue among
// those it had to forget: what is not newer, and is not here, may have been.
type set struct {
	ways   [windowWays]used
	forgot uint32
}

// windows is a bounded memory of counts. What does not fit is never accepted twice: its
// nonces count as stale.
type windows struct {
	mu   sync.Mutex
	sets []set
}

func newWindows(sets int) *windows { return &windows{sets: make([]set, sets)} }

// use notes a count, and says whether it is the first time.
func (w *windows) use(s stamp, count uint32) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	in := &w.sets[s.id%uint64(len(w.sets))]
	oldest := &in.ways[0]
	for i := range in.ways {
		u := &in.ways[i]
		if u.stamp == s && u.highest != 0 {
			return u.use(count)
		}
		if u.highest == 0 || oldest.highest != 0 && u.at < oldest.at {
			oldest = u
		}
	}
	if s.at <= in.forgot {
		return false
	}
	if oldest.highest != 0 {
		if s.at < oldest.at { // it would be the one to forget
			return false
		}
		in.forgot = max(in.forgot, oldest.at)
	}
	*oldest = used{stamp: s, highest: count}
	return true
}

func (u *used) use(count uint32) bool {
	if count > u.highest {
		shift := count - u.highest
		u.below = u.below<<shift | 1<<(shift-1) // shifts of 64 and more give 0
		u.highest = count
		return true
	}
	back := u.highest - count
	if back == 0 || back > windowBits || u.below>>(back-1)&1 == 1 {
		return false
	}
	u.below |= 1 << (back - 1)
	return true
}
