package userspace

// prunePermissions is the size from which lapsed permissions are looked for.
const prunePermissions = 16

// permissions is who may send to a relay without a flow (RFC 8656 section 9): the
// peer's address, any port, until when.
type permissions struct {
	until   map[[16]byte]int64
	pruneAt int
}

func (p *permissions) permit(peer [16]byte, now int64) bool {
	until, ok := p.until[peer]
	return ok && now < until
}

func (p *permissions) set(peer [16]byte, until, now int64) {
	if p.until == nil {
		p.until = make(map[[16]byte]int64)
		p.pruneAt = prunePermissions
	}
	if len(p.until) >= p.pruneAt {
		p.prune(now)
	}
	p.until[peer] = until
}

// prune forgets what has lapsed; growing before the next time keeps the cost of a
// permission constant.
func (p *permissions) prune(now int64) {
	for peer, until := range p.until {
		if until <= now {
			delete(p.until, peer)
		}
	}
	p.pruneAt = max(prunePermissions, 2*len(p.until))
}

func (p *permissions) revoke(peer [16]byte) { delete(p.until, peer) }
