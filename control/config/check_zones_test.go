package config

import (
	"strings"
	"testing"
)

func TestTraversalZonesOverSIP(t *testing.T) {
	tests := []struct{ name, zones, want string }{
		{"a port each", `[{name: a, type: traversal_server, traversal: {sip_port: 7001}}, {name: b, type: traversal_server, traversal: {sip_port: 7002}}]`, ""},
		{"one port for two", `[{name: a, type: traversal_server, traversal: {sip_port: 7001}}, {name: b, type: traversal_server, traversal: {sip_port: 7001}}]`, "port 7001 is zone a's"},
		{"the node's own port", `[{name: a, type: traversal_server, traversal: {sip_port: 5061}}]`, "port 5061 is sip.tls"},
		{"UDP on the client", `[{name: a, type: traversal_client, peers: [192.0.2.1], sip: {transport: udp}}]`, "write tls or tcp"},
		{"UDP on the server", `[{name: a, type: traversal_server, sip: {transport: udp}}]`, "write tls or tcp"},
		{"TCP", `[{name: a, type: traversal_client, peers: [192.0.2.1], sip: {transport: tcp}}]`, ""},
		{"infrastructure", `[{name: a, peers: [192.0.2.1], infrastructure: on}]`, ""},
		{"infrastructure that DNS finds", `[{name: a, type: dns, infrastructure: on}]`, "nobody's infrastructure"},
		{"neighbours may use UDP", `[{name: a, peers: [192.0.2.1], sip: {transport: udp}}]`, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse("n", []byte("system: {name: a}\ninterfaces: {external: {name: s1}}\nsip: {mode: on}\nzones: "+test.zones+"\n"))
			switch {
			case test.want == "" && err != nil:
				t.Error(err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}
