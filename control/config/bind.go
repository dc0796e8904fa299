package config

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// binder fills a Node from the syntax tree. It does so itself, and not by the YAML
// package's decoder, to find every mistake in one go and to keep where each key
// stands for the checks that come after.
type binder struct {
	file     string
	lines    []string
	keys     map[string]*token.Token // where a key stands
	values   map[string]*token.Token // where its value stands
	hidden   map[int]int             // line → column that a secret begins at
	problems Problems
}

// bind fills v, which stands at path, from n.
func (b *binder) bind(path string, n ast.Node, v reflect.Value) {
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		if d, ok := v.Interface().(interface{ setDefaults() }); ok {
			d.setDefaults()
		}
		v = v.Elem()
	}
	if _, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		b.scalar(path, n, v)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		b.mapping(path, n, v)
	case reflect.Slice:
		b.sequence(path, n, v)
	default:
		b.scalar(path, n, v)
	}
}

func (b *binder) mapping(path string, n ast.Node, v reflect.Value) {
	if n.Type() == ast.NullType {
		return
	}
	m, ok := n.(ast.MapNode)
	if !ok {
		b.problem(start(n), fmt.Sprintf("%s is not a list of keys", orFile(path)), "write "+exampleKeys(v.Type()))
		return
	}
	fields := fieldsOf(v.Type())
	for it := m.MapRange(); it.Next(); {
		key := it.Key().GetToken()
		name := key.Value
		field, ok := fields[name]
		if !ok {
			b.unknown(path, key, fields)
			continue
		}
		b.keys[join(path, name)] = key
		b.bind(join(path, name), it.Value(), v.FieldByIndex(field))
	}
}

func (b *binder) unknown(path string, key *token.Token, fields map[string][]int) {
	text := fmt.Sprintf("unknown key %q in %s", key.Value, orFile(path))
	names := make([]string, 0, len(fields))
	for _, item := range Schema() {
		if rest, ok := strings.CutPrefix(item.Path, path); ok {
			name, _, _ := strings.Cut(strings.TrimPrefix(rest, "."), ".")
			if _, ok := fields[strings.TrimSuffix(name, "[]")]; ok {
				names = append(names, strings.TrimSuffix(name, "[]"))
			}
		}
	}
	if near := nearest(key.Value, names); near != "" {
		b.problem(key, text, fmt.Sprintf("did you mean %s?", near))
		return
	}
	for _, item := range Schema() {
		if item.Path == key.Value || strings.HasSuffix(item.Path, "."+key.Value) {
			b.problem(key, text, fmt.Sprintf("did you mean %s?", item.Path))
			return
		}
	}
	b.problem(key, text, "known are "+exampleKeysOf(names))
}

func (b *binder) sequence(path string, n ast.Node, v reflect.Value) {
	if n.Type() == ast.NullType {
		return
	}
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		b.problem(start(n), path+" is not a list", "write it as [a, b], or one item a line behind a dash")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(s.Values), len(s.Values)))
	for i, item := range s.Values {
		at := fmt.Sprintf("%s[%d]", path, i)
		b.keys[at] = start(item)
		b.bind(at, item, v.Index(i))
	}
}

func (b *binder) scalar(path string, n ast.Node, v reflect.Value) {
	tok := start(n)
	b.values[path] = tok
	if v.Type() == reflect.TypeFor[Secret]() {
		b.hidden[tok.Position.Line] = tok.Position.Column
	}
	switch n.(type) {
	case *ast.NullNode:
		b.problem(b.keys[path], path+" has no value", "write one, or leave the key out")
		return
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
	default:
		b.problem(tok, path+" is not a single value", "")
		return
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if err := u.UnmarshalText([]byte(tok.Value)); err != nil {
			b.wrong(path, tok, readable(err, v.Type()))
		}
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(tok.Value)
	case reflect.Int, reflect.Uint16, reflect.Uint32:
		b.number(path, tok, v)
	default:
		panic("config: no way to read a " + v.Type().String())
	}
}

func (b *binder) number(path string, tok *token.Token, v reflect.Value) {
	n, err := strconv.ParseUint(tok.Value, 10, 31)
	if v.CanUint() && err == nil && !v.OverflowUint(n) {
		v.SetUint(n)
		return
	}
	if v.CanInt() && err == nil {
		v.SetInt(int64(n))
		return
	}
	limit := uint64(1)<<31 - 1
	if v.Kind() == reflect.Uint16 {
		limit = 1<<16 - 1
	}
	b.wrong(path, tok, fmt.Sprintf("want a whole number from 0 to %d", limit))
}

// wrong reports a value that cannot be meant. Secrets are not repeated.
func (b *binder) wrong(path string, tok *token.Token, advice string) {
	b.problem(tok, fmt.Sprintf("%s cannot be %q", path, tok.Value), advice)
}

func (b *binder) problem(tok *token.Token, text, advice string) {
	line, column, width := 1, 1, 1
	if tok != nil && tok.Position != nil {
		line, column, width = tok.Position.Line, tok.Position.Column, utf8.RuneCountInString(tok.Value)
		if tok.Type == token.DoubleQuoteType || tok.Type == token.SingleQuoteType {
			width += 2
		}
	}
	source := ""
	if line >= 1 && line <= len(b.lines) {
		source = redact(b.lines[line-1], b.hidden[line])
		width = min(width, utf8.RuneCountInString(source)-column+1)
	}
	b.problems = append(b.problems, Problem{
		File: b.file, Line: line, Column: column, Width: width,
		Source: source, Text: text, Advice: advice,
	})
}

// start returns the first token of a node; that of a mapping in block style is
// otherwise the colon behind its first key.
func start(n ast.Node) *token.Token {
	tok := n.GetToken()
	if m, ok := n.(ast.MapNode); ok {
		if it := m.MapRange(); it.Next() && tok.Value == ":" {
			return it.Key().GetToken()
		}
	}
	return tok
}

// fieldsOf returns the keys of a section and the fields they fill.
func fieldsOf(t reflect.Type) map[string][]int {
	fields := make(map[string][]int, t.NumField())
	for i := range t.NumField() {
		fields[t.Field(i).Tag.Get("yaml")] = []int{i}
	}
	return fields
}

func exampleKeys(t reflect.Type) string {
	var names []string
	for i := range t.NumField() {
		names = append(names, t.Field(i).Tag.Get("yaml"))
	}
	return exampleKeysOf(names)
}

func exampleKeysOf(names []string) string { return strings.Join(unique(names), ", ") }

func unique(names []string) []string {
	var out []string
	for _, n := range names {
		if len(out) == 0 || out[len(out)-1] != n {
			out = append(out, n)
		}
	}
	return out
}

// readable turns errors of the standard library into what to write.
func readable(err error, t reflect.Type) string {
	if t.PkgPath() == "net/netip" {
		return "want an IP address, for example 192.0.2.1"
	}
	return err.Error()
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func orFile(path string) string {
	if path == "" {
		return "the file"
	}
	return path
}
