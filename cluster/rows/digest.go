package rows

import "encoding/binary"

// Digest is of a table as a whole, whatever the order of its rows: the sum of theirs. It
// finds mistakes and damage; it is no protection from a peer that lies.
type Digest uint64

// digestOf is FNV-1a over lengths and contents, and a finish that spreads each bit: sums
// of it should not cancel out.
func digestOf(k Key, r Row) Digest {
	var head [16]byte
	binary.LittleEndian.PutUint64(head[:], uint64(len(k)))
	binary.LittleEndian.PutUint64(head[8:], uint64(r.TTL))
	h := fnv(fnv(fnv(14695981039346656037, string(head[:])), string(k)), r.Value)
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return Digest(h ^ h>>33)
}

func fnv(h uint64, s string) uint64 {
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}

func digestAll(rows map[Key]copied) (d Digest) {
	for k, r := range rows {
		d += digestOf(k, r.Row)
	}
	return d
}
