package locate

import (
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"turnpike.dev/turnpike/perf/lab/labtest"
)

// TestMain looks for goroutines that are left over; those of gnet's worker pool live as
// long as the process.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreTopFunction("github.com/panjf2000/ants/v2.(*poolCommon).purgeStaleWorkers"),
		goleak.IgnoreTopFunction("github.com/panjf2000/ants/v2.(*poolCommon).ticktock"))
}

// server is a DNS server on loopback, over UDP and TCP, that knows what it was told.
type server struct {
	at netip.AddrPort

	mu     sync.Mutex
	rrs    map[question][]dns.RR
	asked  map[question]int
	hold   chan struct{} // not nil: answers wait until it is closed
	rcode  int           // of every answer, where it is not success
	small  bool          // datagrams hold nothing
	silent bool
}

func newServer(t testing.TB, lines ...string) *server {
	t.Helper()
	at := labtest.FreePort(t, "127.0.0.1")
	pc, err := net.ListenPacket("udp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	s := &server{at: at, rrs: map[question][]dns.RR{}, asked: map[question]int{}}
	for _, line := range lines {
		s.add(t, line)
	}
	for _, d := range []*dns.Server{{PacketConn: pc, Handler: s}, {Listener: l, Handler: s}} {
		up := make(chan struct{})
		d.NotifyStartedFunc = func() { close(up) }
		go func() { _ = d.ActivateAndServe() }()
		<-up
		t.Cleanup(func() { _ = d.Shutdown() })
	}
	return s
}

func (s *server) add(t testing.TB, line string) {
	t.Helper()
	rr, err := dns.NewRR(line)
	if err != nil {
		t.Fatal(err)
	}
	q := question{strings.ToLower(rr.Header().Name), rr.Header().Rrtype}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rrs[q] = append(s.rrs[q], rr)
}

// set changes how the server answers.
func (s *server) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// ServeDNS answers as a recursive server does: with the chain of aliases.
func (s *server) ServeDNS(w dns.ResponseWriter, m *dns.Msg) {
	q := question{strings.ToLower(m.Question[0].Name), m.Question[0].Qtype}
	s.mu.Lock()
	s.asked[q]++
	hold, silent := s.hold, s.silent
	reply := s.reply(w, m, q)
	s.mu.Unlock()
	if hold != nil {
		<-hold
	}
	if !silent {
		_ = w.WriteMsg(reply)
	}
}

func (s *server) reply(w dns.ResponseWriter, m *dns.Msg, q question) *dns.Msg {
	reply := new(dns.Msg)
	reply.SetRcode(m, s.rcode)
	if _, udp := w.LocalAddr().(*net.UDPAddr); udp && s.small {
		reply.Truncated = true
		return reply
	}
	name := q.name
	for {
		alias := s.rrs[question{name, dns.TypeCNAME}]
		if len(alias) == 0 || q.kind == dns.TypeCNAME {
			break
		}
		reply.Answer = append(reply.Answer, alias[0])
		name = alias[0].(*dns.CNAME).Target
	}
	reply.Answer = append(reply.Answer, s.rrs[question{name, q.kind}]...)
	if len(reply.Answer) == 0 {
		soa, _ := dns.NewRR(". 30 IN SOA ns. root. 1 2 3 4 30")
		reply.Ns = append(reply.Ns, soa)
	}
	return reply
}

func (s *server) count(name string, kind uint16) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[question{name, kind}]
}

func (s *server) total() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, times := range s.asked {
		n += times
	}
	return n
}

// first draws the first of a group, whatever the weights.
func first(int) int { return 0 }
