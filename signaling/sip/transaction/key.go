package transaction

import (
	"hash/maphash"
	"strconv"

	"turnpike.dev/turnpike/signaling/sip/message"
)

// key names a transaction: a hash of what it is matched by, and a second one as a check. Nobody outside
// knows the seeds, so that nobody can make two that are the same.
type key struct{ hash, check uint64 }

// cookie begins the branches of RFC 3261 section 8.1.1.7.
const cookie = "z9hG4bK"

// keys makes keys. It belongs to one shard.
type keys struct {
	seed, other maphash.Seed
	text        []byte
}

func newKeys() keys { return keys{seed: maphash.MakeSeed(), other: maphash.MakeSeed()} }

func (k *keys) begin(what byte) { k.text = append(k.text[:0], what) }

func (k *keys) add(parts ...string) {
	for _, p := range parts {
		k.text = append(append(k.text, p...), 0)
	}
}

func (k *keys) key() key {
	return key{maphash.Bytes(k.seed, k.text), maphash.Bytes(k.other, k.text)}
}

// server is the key of the transaction that a request belongs to, as if its method were method (RFC 3261 section
// 17.2.3): an ACK and a CANCEL are looked for as an INVITE. The Call-ID is part of it, so that clients which use a branch
// twice get the answers of their own calls.
func (k *keys) server(m *message.Message, method message.Method) key {
	via := m.Via()
	if branch := via.Branch(); len(branch) > len(cookie) && branch[:len(cookie)] == cookie {
		k.begin('S')
		k.add(branch, via.SentBy(), string(method), m.CallID())
		return k.key()
	}
	// A client of RFC 2543 makes no unique branch. The tag of To is left out: only an ACK has one that its INVITE had not.
	k.begin('2')
	seq, _ := m.CSeq()
	k.add(string(method), m.URI().String(), m.From().Tag(), m.CallID(), strconv.FormatUint(uint64(seq), 10), via.String())
	return k.key()
}

// client is the key of the transaction that a response belongs to (RFC 3261 section 17.1.3).
func (k *keys) client(branch string, method message.Method) key {
	k.begin('C')
	k.add(branch, string(method))
	return k.key()
}

// ack is what the ACK of a 2xx and the 2xx have in common (RFC 3261 section 13.2.2.4).
func (k *keys) ack(m *message.Message) key {
	k.begin('A')
	seq, _ := m.CSeq()
	k.add(m.CallID(), m.From().Tag(), m.To().Tag(), strconv.FormatUint(uint64(seq), 10))
	return k.key()
}

// merged is what a request has in common with itself when it comes by another way (RFC 3261 section 8.2.2.2). The
// Request-URI is part of it: a proxy before us may fork to two users of ours.
func (k *keys) merged(m *message.Message) key {
	k.begin('M')
	seq, _ := m.CSeq()
	k.add(string(m.Method()), m.URI().String(), m.CallID(), m.From().Tag(), strconv.FormatUint(uint64(seq), 10))
	return k.key()
}
