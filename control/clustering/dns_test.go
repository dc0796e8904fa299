package clustering

import (
	"context"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"turnpike.dev/turnpike/control/config"
)

// planned is a cluster of two, one listed by name and one by address.
func planned(t *testing.T) (*config.Node, Status) {
	t.Helper()
	n := set(t, 1, "tp1.example.test", "198.18.0.2")
	n.System.Domain = "example.test"
	n.SIP.Mode, n.H323.Mode, n.TURN.Mode, n.TURN.TCP = true, true, true, false
	n.SIP.UDP = 0
	return n, Status{Peers: []Peer{
		{Index: 1, Address: "tp1.example.test", Resolved: "198.18.0.1", State: ThisSystem},
		{Index: 2, Address: "198.18.0.2", Name: "TP2", State: "Active as TP2"},
	}}
}

// CL-23
func TestPlanDNS(t *testing.T) {
	n, st := planned(t)
	var got []string
	for _, r := range PlanDNS(n, st).Records {
		got = append(got, r.String())
	}
	want := []string{
		"_sips._tcp.c1.example.test. 300 IN SRV 10 10 5061 tp1.example.test.",
		"_sips._tcp.c1.example.test. 300 IN SRV 10 10 5061 tp2.example.test.",
		"_sip._tcp.c1.example.test. 300 IN SRV 10 10 5060 tp1.example.test.",
		"_sip._tcp.c1.example.test. 300 IN SRV 10 10 5060 tp2.example.test.",
		"_h323ls._udp.c1.example.test. 300 IN SRV 10 10 1719 tp1.example.test.",
		"_h323ls._udp.c1.example.test. 300 IN SRV 10 10 1719 tp2.example.test.",
		"_h323cs._tcp.c1.example.test. 300 IN SRV 10 10 1720 tp1.example.test.",
		"_h323cs._tcp.c1.example.test. 300 IN SRV 10 10 1720 tp2.example.test.",
		"_turn._udp.c1.example.test. 300 IN SRV 10 10 3478 tp1.example.test.",
		"_turn._udp.c1.example.test. 300 IN SRV 10 10 3478 tp2.example.test.",
		"c1.example.test. 300 IN A 198.18.0.1",
		"c1.example.test. 300 IN A 198.18.0.2",
		"tp1.example.test. 300 IN A 198.18.0.1",
		"tp2.example.test. 300 IN A 198.18.0.2",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// CL-23
func TestPlanDNSSaysWhatIsLacking(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(*config.Node, *Status)
		want  string
	}{
		{"no name", func(n *config.Node, _ *Status) { n.Cluster.Name = "" }, "no name"},
		{"a bare name", func(n *config.Node, _ *Status) { n.Cluster.Name = "c1" }, "FQDN"},
		{"no domain", func(n *config.Node, _ *Status) { n.System.Domain = "" }, "198.18.0.2 is listed by its address"},
		{"not resolved", func(_ *config.Node, s *Status) { s.Peers[0].Resolved = "" }, "could not be resolved"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			n, st := planned(t)
			test.spoil(n, &st)
			if got := strings.Join(PlanDNS(n, st).Lacking, "; "); !strings.Contains(got, test.want) {
				t.Errorf("lacking %q, want something about %q", got, test.want)
			}
		})
	}
}

// CL-23: against a real name server.
func TestCheckDNS(t *testing.T) {
	n, st := planned(t)
	plan := PlanDNS(n, st)
	zone := map[string]bool{}
	for _, r := range plan.Records {
		zone[r.String()] = true
	}
	r := nameServer(t, zone)
	if d := CheckDNS(t.Context(), r, plan); !d.OK() {
		t.Fatalf("a zone that has the plan is not as it should be: %+v", d)
	}

	delete(zone, "_sips._tcp.c1.example.test. 300 IN SRV 10 10 5061 tp2.example.test.")
	delete(zone, "_turn._udp.c1.example.test. 300 IN SRV 10 10 3478 tp1.example.test.")
	zone["_turn._udp.c1.example.test. 300 IN SRV 20 10 3479 tp1.example.test."] = true
	zone["c1.example.test. 300 IN A 198.18.0.99"] = true
	d := CheckDNS(t.Context(), nameServer(t, zone), plan)
	var got []string
	for _, a := range d.Answers {
		if a.State != RecordOK {
			got = append(got, a.State+" "+a.Record.String()+" | "+a.Found)
		}
	}
	want := []string{
		"missing _sips._tcp.c1.example.test. 300 IN SRV 10 10 5061 tp2.example.test. | ",
		"other _turn._udp.c1.example.test. 300 IN SRV 10 10 3478 tp1.example.test. | 20 10 3479 tp1.example.test.",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"c1.example.test A 198.18.0.99"}, d.Extra); diff != "" {
		t.Error(diff)
	}
}

// nameServer answers from lines of a zone file, and from nothing else.
func nameServer(t *testing.T, zone map[string]bool) *net.Resolver {
	t.Helper()
	var records []dns.RR
	for line := range zone {
		rr, err := dns.NewRR(line)
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, rr)
	}
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan struct{})
	s := &dns.Server{PacketConn: conn, NotifyStartedFunc: func() { close(started) }, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		m.Authoritative, m.Rcode = true, dns.RcodeNameError
		for _, rr := range records {
			if rr.Header().Name == q.Question[0].Name {
				m.Rcode = dns.RcodeSuccess
				if rr.Header().Rrtype == q.Question[0].Qtype {
					m.Answer = append(m.Answer, rr)
				}
			}
		}
		_ = w.WriteMsg(m)
	})}
	done := make(chan error, 1)
	go func() { done <- s.ActivateAndServe() }()
	<-started
	t.Cleanup(func() {
		_ = s.Shutdown()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}
