package config

import (
	"fmt"
	"reflect"
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
		v = v.Elem()
		setDefaults(itemOf(path), v)
	}
	switch {
	case isScalar(v.Type()):
		b.scalar(path, n, v)
	case v.Kind() == reflect.Struct:
		b.mapping(path, n, v)
	default:
		b.sequence(path, n, v)
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
	names := keysBelow(path)
	if near := Nearest(key.Value, names); near != "" {
		b.problem(key, text, fmt.Sprintf("did you mean %s?", near))
		return
	}
	for _, item := range declared().items {
		if item.Path == key.Value || strings.HasSuffix(item.Path, "."+key.Value) {
			b.problem(key, text, fmt.Sprintf("did you mean %s?", item.Path))
			return
		}
	}
	b.problem(key, text, "known are "+exampleKeysOf(names))
}

// keysBelow returns the keys of a section in the order of the schema.
func keysBelow(path string) []string {
	if path = index.ReplaceAllString(path, "[]"); path != "" {
		path += "."
	}
	var names []string
	for _, item := range declared().items {
		if rest, ok := strings.CutPrefix(item.Path, path); ok {
			name, _, _ := strings.Cut(rest, ".")
			names = append(names, strings.TrimSuffix(name, "[]"))
		}
	}
	return unique(names)
}

func (b *binder) sequence(path string, n ast.Node, v reflect.Value) {
	v.Set(reflect.MakeSlice(v.Type(), 0, 0)) // naming a list without entries empties it
	if n.Type() == ast.NullType {
		return
	}
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		b.problem(start(n), path+" is not a list", "write it as [a, b], or one item a line behind a dash")
		return
	}
	if item := declared().byPath[itemOf(path)]; len(s.Values) > item.Many {
		b.problem(start(s.Values[item.Many]), fmt.Sprintf("%s has %d entries", path, len(s.Values)), fmt.Sprintf("keep at most %d", item.Many))
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(s.Values), len(s.Values)))
	for i, item := range s.Values {
		at := fmt.Sprintf("%s[%d]", path, i+1)
		b.keys[at] = start(item)
		if isEntries(v.Type()) {
			setDefaults(itemOf(path)+"[]", v.Index(i))
			v.Index(i).FieldByName("Index").SetInt(int64(i + 1))
		}
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
	if err := setValue(declared().byPath[itemOf(path)].Kind, tok.Value, v); err != nil {
		b.wrong(path, tok, err.Error())
	}
}

// wrong reports a value that cannot be meant. Secrets are not repeated.
func (b *binder) wrong(path string, tok *token.Token, advice string) {
	if item := declared().byPath[itemOf(path)]; item != nil && item.Secret() {
		b.problem(tok, path+" cannot be this", advice)
		return
	}
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

// fieldsOf returns the keys of a section and the fields they fill. Nobody changes it.
func fieldsOf(t reflect.Type) map[string][]int {
	if known, ok := sections()[t]; ok {
		return known
	}
	return tagsOf(t)
}

func tagsOf(t reflect.Type) map[string][]int {
	fields := make(map[string][]int, t.NumField())
	for i := range t.NumField() {
		if key := keyOf(t.Field(i)); key != "" {
			fields[key] = []int{i}
		}
	}
	return fields
}

func exampleKeys(t reflect.Type) string {
	var names []string
	for i := range t.NumField() {
		if key := keyOf(t.Field(i)); key != "" {
			names = append(names, key)
		}
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
