package config

import (
	"encoding/json"
	"reflect"
)

// node of a JSON schema (draft 2020-12).
type jsonNode struct {
	Schema      string               `json:"$schema,omitempty"`
	Title       string               `json:"title,omitempty"`
	Description string               `json:"description,omitempty"`
	Type        any                  `json:"type,omitempty"`
	Default     string               `json:"default,omitempty"`
	Enum        []string             `json:"enum,omitempty"`
	Minimum     *int64               `json:"minimum,omitempty"`
	Maximum     *int64               `json:"maximum,omitempty"`
	MaxLength   int64                `json:"maxLength,omitempty"`
	MaxItems    int                  `json:"maxItems,omitempty"`
	Items       *jsonNode            `json:"items,omitempty"`
	Properties  map[string]*jsonNode `json:"properties,omitempty"`
	Required    []string             `json:"required,omitempty"`
	Closed      *bool                `json:"additionalProperties,omitempty"`
}

// JSONSchema returns the schema of node files for editors.
func JSONSchema() []byte {
	root := objectSchema("", reflect.TypeFor[Node]())
	root.Schema, root.Title = "https://json-schema.org/draft/2020-12/schema", "Turnpike node file"
	data, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		panic("config: " + err.Error()) // it has only words and numbers
	}
	return append(data, '\n')
}

func objectSchema(path string, t reflect.Type) *jsonNode {
	closed := false
	n := &jsonNode{Type: "object", Properties: map[string]*jsonNode{}, Closed: &closed}
	for i := range t.NumField() {
		key := keyOf(t.Field(i))
		if key == "" {
			continue
		}
		at := join(path, key)
		n.Properties[key] = typeSchema(at, t.Field(i).Type)
		if item := declared().byPath[at]; item != nil && item.Required {
			n.Required = append(n.Required, key)
		}
	}
	return n
}

func typeSchema(path string, t reflect.Type) *jsonNode {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	item := declared().byPath[path]
	switch {
	case isEntries(t):
		return &jsonNode{Type: "array", Description: item.Note(), MaxItems: item.Many, Items: objectSchema(path+"[]", t.Elem())}
	case t.Kind() == reflect.Slice:
		return &jsonNode{Type: "array", Description: item.Note(), MaxItems: item.Many, Items: valueSchema(item)}
	case t.Kind() == reflect.Struct && !isScalar(t):
		return objectSchema(path, t)
	}
	n := valueSchema(item)
	n.Description, n.Default = item.Note(), item.Default
	return n
}

func valueSchema(item *Item) *jsonNode {
	switch item.Type {
	case TypeWord:
		n := &jsonNode{}
		for _, w := range item.Words {
			n.Enum = append(n.Enum, w.Text)
		}
		return n
	case TypeInteger, TypeSeconds:
		return &jsonNode{Type: "integer", Minimum: &item.Min, Maximum: &item.Max}
	case TypePort, TypeListen:
		return &jsonNode{Type: []string{"integer", "string"}}
	case TypeText, TypeSecret:
		return &jsonNode{Type: []string{"string", "number"}, MaxLength: item.Max}
	default:
		return &jsonNode{Type: "string"}
	}
}
