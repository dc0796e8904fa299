package b2bua

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
	"sync"

	"turnpike.dev/turnpike/signaling/sip/message"
)

// nil is who is not known yet (RFC 7989 section 5).
const nobody = "00000000000000000000000000000000"

// sessionIDs are the halves of Session-ID of a call: who called, and who answered (RFC
// 7989). They are the one thing that all legs of a call have in common, through whatever
// it passes; for a caller who has none this node makes one (section 7).
type sessionIDs struct {
	caller string
	given  bool // the caller sent it
}

// sessionsOf reads the caller's half, or makes it.
func sessionsOf(invite *message.Message) sessionIDs {
	if local, _, ok := parseSessionID(invite.Get("Session-ID")); ok && local != nobody {
		return sessionIDs{local, true}
	}
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return sessionIDs{caller: hex.EncodeToString(b[:])}
}

// mark is what a search of the call is remembered by.
func (s sessionIDs) mark() string { return s.caller }

// say passes the Session-ID of a message on. Where a party has none, what this node made
// for the caller stands in.
func (s sessionIDs) say(out, in *message.Message) {
	local, remote, ok := parseSessionID(in.Get("Session-ID"))
	switch {
	case ok:
		out.Set("Session-ID", local+";remote="+remote)
	case !s.given && out.Method() == message.Invite && out.IsRequest():
		out.Set("Session-ID", s.caller+";remote="+nobody)
	}
}

func parseSessionID(v string) (local, remote string, ok bool) {
	local, params, _ := strings.Cut(v, ";")
	local, remote = strings.ToLower(strings.TrimSpace(local)), nobody
	for p := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(p, "=")
		if strings.EqualFold(strings.TrimSpace(name), "remote") {
			remote = strings.ToLower(strings.TrimSpace(value))
		}
	}
	return local, remote, isUUID(local) && isUUID(remote)
}

func isUUID(s string) bool {
	return len(s) == len(nobody) && strings.Trim(s, "0123456789abcdef") == ""
}

// memory is what names were searched for in which calls, as long as these go on: the same
// name again, in what is the same call by its Session-ID, is a loop; another name is a
// spiral and goes on (facts A2.3, RFC 3261 section 16.3). It is shared by all shards, since
// a call that comes back has another Call-ID.
type memory struct {
	mu    sync.Mutex // a leaf
	marks map[string][]searched
}

type searched struct {
	call *call
	name string
}

// maxSearched bounds what is remembered of one Session-ID: calls that go round stop long
// before.
const maxSearched = 64

// seen returns the names that other calls of the mark have searched for.
func (m *memory) seen(mark string, c *call) (names []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.marks[mark] {
		if s.call != c {
			names = append(names, s.name)
		}
	}
	return names
}

func (m *memory) remember(mark, name string, c *call) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.marks == nil {
		m.marks = map[string][]searched{}
	}
	if all := m.marks[mark]; len(all) < maxSearched {
		m.marks[mark] = append(all, searched{c, name})
	}
}

// forget drops what a call has searched for.
func (m *memory) forget(mark string, c *call) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var kept []searched
	for _, s := range m.marks[mark] {
		if s.call != c {
			kept = append(kept, s)
		}
	}
	if len(kept) == 0 {
		delete(m.marks, mark)
	} else {
		m.marks[mark] = kept
	}
}
