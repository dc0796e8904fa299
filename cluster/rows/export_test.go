package rows

// DigestOf returns the digest of a whole table, made from nothing.
func DigestOf(rows map[Key]Row) (d Digest) {
	for k, r := range rows {
		d += digestOf(k, r)
	}
	return d
}
