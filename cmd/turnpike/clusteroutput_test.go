package main

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/cli"
	"turnpike.dev/turnpike/control/clustering"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/preflight"
)

// threePeers is the configuration of a cluster whose third peer is away.
const threePeers = `system: {name: tp1, host_name: tp1, domain: example.test}
cluster: {name: c1.example.test, primary: 1, peers: [tp1.example.test, 198.18.0.2, tp3.example.test]}
cluster_tls: permissive
cluster_mapping: {mode: on, entries: [{name: tp1.example.test, address: 198.18.0.1}]}
sip: {mode: on}
`

// peered is a node that has what a cluster of it would have.
type peered struct {
	*node
	st clustering.Status
}

func (p *peered) Clustering() clustering.Status   { return p.st }
func (p *peered) ClusterDNS() clustering.Resolver { return somewhatWrongDNS{} }
func (p *peered) SuggestMapping() []clustering.Mapping {
	return clustering.SuggestMappings(p.running(), p.st)
}

func (p *peered) Preflight() ([]preflight.Finding, error) {
	return preflight.Check(preflight.Facts{Config: p.running(), Member: true, ClockInStep: true, SystemDNS: []netip.Addr{netip.MustParseAddr("192.0.2.53")}}), nil
}

func (p *peered) PreflightPeers(context.Context, []string) ([]preflight.Finding, error) {
	return preflight.Peers(preflight.Self{Name: "tp1"}, []preflight.Peer{{
		Address: "tp3.example.test", Unreached: map[uint16]string{4371: "connection refused", 4372: "connection refused"},
	}}), nil
}

// somewhatWrongDNS knows one peer's name, and a service with a stranger.
type somewhatWrongDNS struct{}

func (somewhatWrongDNS) LookupSRV(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
	if service != "sip" || proto != "tcp" {
		return "", nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	return "", []*net.SRV{
		{Target: "tp1.example.test.", Port: 5060, Priority: 10, Weight: 10},
		{Target: "tp9.example.test.", Port: 5060, Priority: 10, Weight: 10},
	}, nil
}

func (somewhatWrongDNS) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if !strings.HasPrefix(host, "tp1.") {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return []netip.Addr{netip.MustParseAddr("198.18.0.1")}, nil
}

func newPeered(t *testing.T) *peered {
	t.Helper()
	at := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	next := at.Add(time.Minute)
	const digest = "8f14e45fceea167a5a36dedd4bea2543"
	dir := t.TempDir()
	file := filepath.Join(dir, "node.yaml")
	if err := os.WriteFile(file, []byte(threePeers), 0o600); err != nil {
		t.Fatal(err)
	}
	return &peered{node: storedNode(t, file, dir), st: clustering.Status{
		Mode: clustering.Clustered, Name: "c1.example.test", ClusterID: "c0ffee", IP: "ipv4", Own: 1, Primary: 1, Acting: 1,
		TLS:      clustering.TLS{Configured: string(config.TLSEnforce), Active: string(config.TLSPermissive)},
		Database: clustering.DatabaseActive, Synchronisation: "Succeeded", LastSync: &at, NextSync: &next,
		RestartRequired: []string{"cluster_tls"},
		Peers: []clustering.Peer{
			{
				Index: 1, Address: "tp1.example.test", State: clustering.ThisSystem, Certificate: clustering.CertificateValid, Generation: 2, Revision: 17, Digest: digest,
				ID: "00ff", Name: "tp1", Resolved: "198.18.0.1", Version: "1.0.0", Primary: true, Joined: true, Database: clustering.DatabaseActive, LastSync: &at, NextSync: &next, Incarnation: 3,
			},
			{
				Index: 2, Address: "198.18.0.2", State: "Active as tp2", Certificate: "Invalid (the entry is an address)", Generation: 2, Revision: 16, Digest: strings.Repeat("a", 32),
				RTT: 80.25, ID: "01ff", Name: "tp2", Resolved: "198.18.0.2", Version: "1.0.0", Joined: true, Maintenance: true, Database: "12 of 40 rows", LastSync: &at, Incarnation: 1,
			},
			{Index: 3, Address: "tp3.example.test", State: clustering.Failed, Why: "4372: connection refused", Resolved: "198.18.0.3"},
		},
	}}
}

// TestClusterOutput holds what the commands of the cluster print. // CL-07, CL-17, CL-19, CL-23
func TestClusterOutput(t *testing.T) {
	p := newPeered(t)
	state := serveAPI(t, api.New(newCanned(), nil).Examine(p).Join(p))
	for _, test := range []struct {
		name, args string
		code       int
	}{
		{"status", "cluster status", 0},
		{"check", "cluster check", 3},
		{"dns", "cluster dns", 3},
		{"mapping", "cluster mapping show", 0},
	} {
		for _, format := range []string{"table", "json"} {
			t.Run(test.name+"_"+format, func(t *testing.T) {
				var out bytes.Buffer
				err := run(t.Context(), append(strings.Fields(test.args), "--state", state, "-o", format), &out)
				if code := exitCode(err); code != test.code {
					t.Errorf("exit code %d, want %d: %v", code, test.code, err)
				}
				golden(t, filepath.Join("cluster", test.name+"."+format), out.String())
			})
		}
	}
}

// TestXCluster holds what xStatus tells of the cluster. // CL-17, facts A6
func TestXCluster(t *testing.T) {
	p := newPeered(t)
	sh := cli.New(p.store, func() []config.Change { return nil })
	addCluster(sh, p)
	for name, line := range map[string]string{"xstatus_cluster": "xStatus Cluster", "xstatus_alternates": "xStatus Alternates"} {
		t.Run(name, func(t *testing.T) {
			answer, err := sh.Run(t.Context(), line, cli.Caller{User: "test"})
			if err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("cluster", name+".txt"), answer.Text)
		})
	}
}
