package config

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestJSONSchemaHasEveryKey(t *testing.T) {
	var root map[string]any
	if err := json.Unmarshal(JSONSchema(), &root); err != nil {
		t.Fatal(err)
	}
	for _, item := range Schema() {
		at := root
		for _, key := range strings.Split(item.Path, ".") {
			name, entry := strings.CutSuffix(key, "[]")
			properties, _ := at["properties"].(map[string]any)
			at, _ = properties[name].(map[string]any)
			if entry {
				at, _ = at["items"].(map[string]any)
			}
		}
		if at["description"] != item.Note() {
			t.Errorf("%s is not described", item.Path)
		}
		if item.Type == TypeInteger && at["maximum"] != float64(item.Max) {
			t.Errorf("%s has maximum %v", item.Path, at["maximum"])
		}
	}
}
