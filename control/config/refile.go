package config

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Said is what a node file said of its node's own items (†), without their values: by path, a list of entries as one.
type Said map[string]string

// SaidBy returns what a node file says. An item at its default is not said.
func SaidBy(n *Node) Said {
	texts := map[string]*strings.Builder{}
	for _, v := range Values(n) {
		if !v.Item.Peer {
			continue
		}
		at := unit(v)
		if texts[at] == nil {
			texts[at] = &strings.Builder{}
		}
		texts[at].WriteString(v.Path + "\x00" + v.Text + "\x00" + strings.Join(v.Texts, "\x00") + "\n")
	}
	said := Said{}
	for at, b := range texts {
		sum := sha256.Sum256([]byte(b.String()))
		said[at] = hex.EncodeToString(sum[:12])
	}
	return said
}

// unit is what is taken from one side as a whole: a list of entries, or an item.
func unit(v Value) string {
	if !strings.Contains(v.Item.Path, "[]") {
		return v.Path
	}
	list, _, _ := strings.Cut(v.Path, "[")
	return list
}

// Reread returns the tree of a node whose file is read again: of the node's own items those that the file says
// otherwise than it did are the file's, and the rest stay, for somebody may have set them by command since.
// What peers share stays.
func Reread(cur, file *Node, before Said) *Node {
	now := SaidBy(file)
	fresh := func(v Value) bool { at := unit(v); return before[at] != now[at] }
	var values []Value
	for _, v := range Values(cur) {
		if !v.Item.Peer || !fresh(v) {
			values = append(values, v)
		}
	}
	for _, v := range Values(file) {
		if v.Item.Peer && fresh(v) {
			values = append(values, v)
		}
	}
	n, _ := FromValues(values) // they came out of trees
	return n
}
