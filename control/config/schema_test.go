package config

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// keysOf lists what the binder accepts.
func keysOf(path string, t reflect.Type) []string {
	switch {
	case t.Kind() == reflect.Pointer:
		return keysOf(path, t.Elem())
	case isEntries(t):
		return append([]string{path}, keysOf(path+"[]", t.Elem())...)
	case t.Kind() == reflect.Slice || isScalar(t):
		return []string{path}
	}
	var keys []string
	for i := range t.NumField() {
		if key := keyOf(t.Field(i)); key != "" {
			keys = append(keys, keysOf(join(path, key), t.Field(i).Type)...)
		}
	}
	return keys
}

func TestSchemaIsWhatIsRead(t *testing.T) {
	var documented []string
	for _, item := range Schema() {
		documented = append(documented, item.Path)
	}
	if diff := cmp.Diff(keysOf("", reflect.TypeFor[Node]()), documented); diff != "" {
		t.Errorf("keys that are read (-) and documented (+):\n%s", diff)
	}
}

func TestSchemaIsWhole(t *testing.T) {
	byX := map[string]string{}
	for _, item := range Schema() {
		if item.Text == "" || item.X == "" || item.Type == "" {
			t.Errorf("%s lacks text, type or xConfiguration path", item.Path)
		}
		if other, ok := byX[strings.ToLower(item.X)]; ok {
			t.Errorf("%s and %s are both %s in xConfiguration", item.Path, other, item.X)
		}
		byX[strings.ToLower(item.X)] = item.Path
		if item.Type == TypeEntries {
			if _, ok := Lookup(item.Path + "[].name"); !ok || item.Entry == "" {
				t.Errorf("entries of %s have no name", item.Path)
			}
		}
		for _, list := range item.Lists {
			if l, ok := Lookup(list); !ok || l.Type != TypeEntries {
				t.Errorf("%s refers to %s, which is no list", item.Path, list)
			}
		}
	}
}

// CA-01, CA-03
func TestPlatforms(t *testing.T) {
	tests := []struct {
		platform       PlatformName
		multiplexing   Switch
		relays, ports  int
		perPort        int
		video, regs    int
		audio, proxied int
		rms            int
	}{
		{PlatformCE1200, true, 6000, 1, 0, 500, 5000, 1000, 5000, 500},
		{PlatformCE1200, false, 6000, 6, 1000, 500, 5000, 1000, 5000, 500},
		{PlatformLarge, true, 6000, 1, 0, 500, 5000, 1000, 2500, 500},
		{PlatformLarge, false, 6000, 6, 1000, 500, 5000, 1000, 2500, 500},
		{PlatformMedium, true, 1800, 1, 0, 100, 2500, 200, 2500, 100},
		{PlatformMedium, false, 1800, 1, 0, 100, 2500, 200, 2500, 100},
		{PlatformSmall, false, 1800, 1, 0, 40, 2000, 40, 200, 75},
		{PlatformCustom, true, 77, 1, 0, 500, 5000, 1000, 2500, 500},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%s multiplexing %s", test.platform, test.multiplexing), func(t *testing.T) {
			n := Default()
			n.System.Platform, n.TURN.Multiplexing = test.platform, test.multiplexing
			n.TURN.MaxRelays = 77
			l := test.platform.Limits()
			got := []int{n.MaxRelays(), len(n.Ports()), n.MaxPerPort(), l.VideoCalls, l.Registrations, l.AudioCalls, l.ProxiedRegistrations, l.RMSLicences}
			want := []int{test.relays, test.ports, test.perPort, test.video, test.regs, test.audio, test.proxied, test.rms}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDiff(t *testing.T) {
	parse := func(turn string) *Node {
		n, err := Parse("n", []byte("system: {name: a}\ninterfaces: {external: {name: s1}}\nturn: {"+turn+"}\n"))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	tests := []struct {
		name, from, to string
		want           []Change
	}{
		{"nothing", "users: [{name: u, password: p}]", "users: [{name: u, password: p}]", nil},
		{"order of users", "users: [{name: u, password: p}, {name: v, password: q}]", "users: [{name: v, password: q}, {name: u, password: p}]", nil},
		{"user gone", "users: [{name: u, password: p}]", "users: []", []Change{
			{Path: "turn.users[u].name", From: "u", Live: true},
			{Path: "turn.users[u].password", From: "***", Live: true},
		}},
		{"password", "users: [{name: 'u].x', password: p}]", "users: [{name: 'u].x', password: q}]", []Change{
			{Path: `turn.users["u].x"].password`, From: "***", To: "***", Live: true},
		}},
		{"secret", "secrets: [a]", "secrets: [a, b]", []Change{{Path: "turn.secrets", From: "[***]", To: "[*** ***]", Live: true}}},
		{"deny and port", "port: 3478", "port: 3480, deny: [10.0.0.0/8]", []Change{
			{Path: "turn.port", From: "3478", To: "3480"},
			{Path: "turn.deny", From: "[]", To: "[10.0.0.0/8]", Live: true},
		}},
		{"section", "", "tls: {certificate: /c, key: /k}", []Change{
			{Path: "turn.tls.port", To: "5349"},
			{Path: "turn.tls.certificate", To: "/c", Live: true},
			{Path: "turn.tls.key", To: "/k", Live: true},
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Diff(parse(test.from), parse(test.to))); diff != "" {
				t.Error(diff)
			}
		})
	}
}
