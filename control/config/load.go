package config

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// maxSize bounds a node file; 10,000 users fit.
const maxSize = 4 << 20

// Load reads and checks a node file.
func Load(file string) (*Node, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("read the node file: %w", err)
	}
	if info.Size() > maxSize {
		return nil, fmt.Errorf("read the node file: %s is larger than %d bytes", file, maxSize)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the node file: %w", err)
	}
	return Parse(file, data)
}

// Parse checks data and returns the node it describes. When something is wrong
// the error is a Problems with everything that is; file only names the data in it.
func Parse(file string, data []byte) (*Node, error) {
	text := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(data)) // all end a line in YAML
	b := &binder{
		file:   file,
		lines:  strings.Split(text, "\n"),
		keys:   map[string]*token.Token{},
		values: map[string]*token.Token{},
		hidden: map[int]int{},
	}
	node := Default()
	body := b.parse([]byte(text))
	if len(b.problems) == 0 && body != nil {
		b.bind("", body, reflect.ValueOf(node).Elem())
	}
	if b.keys["links"] == nil {
		addLinks(Default(), node)
	}
	if len(b.problems) == 0 {
		check(b, node)
	}
	if len(b.problems) > 0 {
		slices.SortStableFunc(b.problems, func(a, b Problem) int {
			return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
		})
		return nil, b.problems
	}
	return node, nil
}

// parse returns the root of the one document in data, nil when it is empty.
func (b *binder) parse(data []byte) (root ast.Node) {
	// The parser is foreign code that reads what people type: whatever it does with
	// it must come out as a message.
	defer func() {
		if r := recover(); r != nil {
			root = nil
			b.problem(nil, "this cannot be read as YAML", "")
		}
	}()
	if len(data) > maxSize {
		b.problem(nil, fmt.Sprintf("the file is larger than %d bytes", maxSize), "")
		return nil
	}
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		b.syntax(err)
		return nil
	}
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType {
			continue
		}
		if root != nil {
			b.problem(start(doc.Body), "a second document begins here", "keep one; --- separates documents")
			return nil
		}
		root = doc.Body
	}
	if root != nil && !b.plain(root) {
		return nil
	}
	return root
}

func (b *binder) syntax(err error) {
	var y yaml.Error
	if errors.As(err, &y) {
		b.problem(y.GetToken(), strings.TrimSpace(y.GetMessage()), "")
		return
	}
	b.problem(nil, err.Error(), "")
}

// plain reports whether the tree has only what a node file needs. Anchors,
// aliases, merges and tags are not in it: a file should say what it means where it
// says it, and a short file should not become a large one.
func (b *binder) plain(root ast.Node) bool {
	before := len(b.problems)
	ast.Walk(visitor(func(n ast.Node) bool {
		switch n.Type() {
		case ast.AnchorType, ast.AliasType, ast.MergeKeyType, ast.TagType, ast.DirectiveType:
			b.problem(n.GetToken(), "anchors, aliases and tags are not used in node files", "write the value out")
			return false
		}
		return true
	}), root)
	return len(b.problems) == before
}

// visitor calls itself for each node of a tree, downwards while it returns true.
type visitor func(ast.Node) bool

// Visit implements ast.Visitor.
func (v visitor) Visit(n ast.Node) ast.Visitor {
	if v(n) {
		return v
	}
	return nil
}
