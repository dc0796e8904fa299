package config

import (
	"bytes"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// Scope is a part of the tree.
type Scope string

// Scopes: all of it, what belongs to the node (†), what peers of a cluster share.
const (
	ScopeAll    Scope = "all"
	ScopePeer   Scope = "peer"
	ScopeShared Scope = "shared"
)

// Has reports whether an item is in the scope.
func (s Scope) Has(item *Item) bool {
	return s == "" || s == ScopeAll || item.Peer == (s == ScopePeer)
}

// Writing says how a tree is written out.
type Writing struct {
	Scope Scope
	// Secrets are written in the clear; else as ***.
	Secrets bool
	// Defaults writes also what is at its default.
	Defaults bool
}

// YAML writes a tree as a node file. With secrets, Parse makes the same tree of it.
func YAML(n *Node, w Writing) []byte {
	y := &yamlWriter{Writing: w}
	y.links = w.Defaults || len(n.Zones)+len(n.Subzones) > 0 || !slices.Equal(n.Links, defaultLinks())
	v := reflect.ValueOf(n).Elem()
	for i := range v.NumField() {
		y.field(keyOf(v.Type().Field(i)), keyOf(v.Type().Field(i)), v.Field(i), 0, w.Defaults)
	}
	return y.out.Bytes()
}

type yamlWriter struct {
	Writing
	out   bytes.Buffer
	links bool // they are not just the shipped ones
}

// field writes a key of a section that stands at path, and what is below it.
func (y *yamlWriter) field(key, path string, v reflect.Value, depth int, all bool) {
	if key == "" || v.Kind() == reflect.Pointer && v.IsNil() {
		return
	}
	if v.Kind() == reflect.Pointer {
		v, all = v.Elem(), true
	}
	item := declared().byPath[path]
	switch {
	case isEntries(v.Type()):
		if y.Scope.Has(item) && (v.Len() > 0 || all || path == "links") && (path != "links" || y.links) {
			y.entries(key, path, v, depth)
		}
	case v.Kind() == reflect.Struct && !isScalar(v.Type()):
		y.section(key, path, v, depth, all)
	case !y.Scope.Has(item):
	case v.Kind() == reflect.Slice:
		if v.Len() > 0 || all {
			y.line(depth, key+": ["+strings.Join(y.words(item, v), ", ")+"]")
		}
	default:
		if s := valueText(v); s != "" && (all || key == "name" || s != defaultText(item, v)) {
			y.line(depth, key+": "+y.word(item, s))
		}
	}
}

func (y *yamlWriter) section(key, path string, v reflect.Value, depth int, all bool) {
	mark := y.out.Len()
	y.line(depth, key+":")
	begin := y.out.Len()
	for i := range v.NumField() {
		k := keyOf(v.Type().Field(i))
		y.field(k, join(path, k), v.Field(i), depth+1, all)
	}
	if y.out.Len() == begin {
		y.out.Truncate(mark)
	}
}

func (y *yamlWriter) entries(key, path string, v reflect.Value, depth int) {
	if v.Len() == 0 {
		y.line(depth, key+": []")
		return
	}
	y.line(depth, key+":")
	for i := range v.Len() {
		e, mark := v.Index(i), y.out.Len()
		for j := range e.NumField() {
			k := keyOf(e.Type().Field(j))
			y.field(k, path+"[]."+k, e.Field(j), depth+1, y.Defaults)
		}
		y.out.Bytes()[mark+2*depth] = '-'
	}
}

func (y *yamlWriter) line(depth int, s string) {
	y.out.WriteString(strings.Repeat("  ", depth) + s + "\n")
}

func (y *yamlWriter) words(item *Item, list reflect.Value) []string {
	out := texts(list)
	for i := range out {
		out[i] = y.word(item, out[i])
	}
	return out
}

// plain is what no YAML parser reads as anything but text.
var plainText = regexp.MustCompile(`^[A-Za-z_/][A-Za-z0-9._/@-]*$`)

// plainNumber is what needs no quotes where a number or an address may stand.
var plainNumber = regexp.MustCompile(`^[A-Za-z0-9_/][A-Za-z0-9._/-]*$`)

// word writes one value.
func (y *yamlWriter) word(item *Item, s string) string {
	if item.Secret() && !y.Secrets {
		return `"` + Hidden + `"`
	}
	switch item.Type {
	case TypeWord, TypeInteger, TypePort, TypeSeconds, TypeAddress, TypePrefix, TypeHost, TypeListen:
		if plainNumber.MatchString(s) {
			return s
		}
	}
	switch strings.ToLower(s) {
	case "null", "true", "false", "y", "n", "yes", "no":
	default:
		if plainText.MatchString(s) {
			return s
		}
	}
	return quote(s)
}

// quote writes text in double quotes.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			fmt.Fprintf(&b, `\U%08X`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// Hidden stands for a secret that is not shown. Where a document has it, the secret
// that is already there stays.
const Hidden = "***"

// defaultText is what valueText gives of a value that was not set.
func defaultText(item *Item, v reflect.Value) string {
	if item.Default != "" {
		return item.Default
	}
	return valueText(reflect.Zero(v.Type()))
}
