package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/config"
)

func TestAssignments(t *testing.T) {
	set := func(path, text string) config.Operation {
		return config.Operation{Verb: config.Set, Path: path, Text: text}
	}
	tests := []struct {
		name string
		args []string
		want []config.Operation
	}{
		{"path and value", []string{"turn.realm", "x"}, []config.Operation{set("turn.realm", "x")}},
		{"path and values", []string{"turn.deny", "10.0.0.0/8", "::/0"}, []config.Operation{{Verb: config.Set, Path: "turn.deny", Texts: []string{"10.0.0.0/8", "::/0"}}}},
		{"assignments", []string{"turn.realm=x=y", "turn.port=1"}, []config.Operation{set("turn.realm", "x=y"), set("turn.port", "1")}},
		{"brackets in the path", []string{`zones["a=b"].name=c`}, []config.Operation{set(`zones["a=b"].name`, "c")}},
		{"brackets in the value", []string{"turn.realm=[x]"}, []config.Operation{set("turn.realm", "[x]")}},
		{"brackets in both", []string{"turn.users[u].password=[x]"}, []config.Operation{set("turn.users[u].password", "[x]")}},
		{"no value", []string{"turn.realm"}, nil},
		{"one that is none", []string{"turn.realm=x", "turn.port"}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := assignments(test.args)
			if (err == nil) != (test.want != nil) {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestJoinWords(t *testing.T) {
	tests := []struct {
		args []string
		want string
	}{
		{[]string{`SIP Mode: On`}, `SIP Mode: On`},
		{[]string{"SIP", "Mode:", "On"}, `SIP Mode: On`},
		{[]string{"Zones", "Zone", "1", "Name:", "the office"}, `Zones Zone 1 Name: "the office"`},
		{[]string{"Call", "Fallback", "Alias:", ""}, `Call Fallback Alias: ""`},
		{[]string{"a:", `b "c" \d`}, `a: "b \"c\" \\d"`},
		{[]string{"a:", "b:"}, `a: "b:"`},
	}
	for _, test := range tests {
		if got := joinWords(test.args); got != test.want {
			t.Errorf("%q: %s, want %s", test.args, got, test.want)
		}
	}
}
