package locate

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// answer is what a question gave, bounded: addresses or records.
type answer struct {
	addrs   []netip.Addr
	records []record
}

const (
	maxAddrs   = 16 // of one name
	maxRecords = 64 // of one service, before they are ordered
	maxAliases = 8  // CNAMEs in a row
	payload    = 1232
)

// rounds is how often each server is asked: a datagram may be lost.
const rounds = 2

// query asks the servers one after the other until one knows. A server that fails or does
// not answer is no reason not to ask the next.
func (r *Resolver) query(ctx context.Context, s *surroundings, q question) (answer, time.Duration, error) {
	err := error(ErrUnavailable)
	for i := range rounds * len(s.servers) {
		server := s.servers[i%len(s.servers)]
		reply, failed := r.exchange(ctx, server, q)
		switch {
		case failed != nil:
			err = fmt.Errorf("%w: %w", ErrUnavailable, failed)
		case reply.Rcode == dns.RcodeSuccess || reply.Rcode == dns.RcodeNameError:
			return read(reply, q)
		default:
			err = fmt.Errorf("%w: %s says %s", ErrUnavailable, server, dns.RcodeToString[reply.Rcode])
		}
		if ctx.Err() != nil {
			break
		}
	}
	return answer{}, 0, err
}

// exchange asks one server, over TCP too where the answer does not fit a datagram.
func (r *Resolver) exchange(ctx context.Context, server netip.AddrPort, q question) (*dns.Msg, error) {
	m := new(dns.Msg)
	m.SetQuestion(q.name, q.kind)
	m.SetEdns0(payload, false)
	client := dns.Client{Timeout: r.limits.Query, UDPSize: payload}
	reply, _, err := client.ExchangeContext(ctx, m, server.String())
	if err == nil && reply.Truncated {
		client.Net = "tcp"
		reply, _, err = client.ExchangeContext(ctx, m, server.String())
	}
	switch {
	case err != nil:
		return nil, err
	case len(reply.Question) != 1 || reply.Question[0].Qtype != q.kind || !strings.EqualFold(reply.Question[0].Name, q.name):
		return nil, fmt.Errorf("%s answers another question", server)
	}
	return reply, nil
}

// read takes out of a reply what was asked for, following aliases within it.
func read(reply *dns.Msg, q question) (answer, time.Duration, error) {
	var a answer
	name, ttl := q.name, uint32(1<<31-1)
	for range maxAliases {
		next := ""
		for _, rr := range reply.Answer {
			h := rr.Header()
			if !strings.EqualFold(h.Name, name) {
				continue
			}
			if c, ok := rr.(*dns.CNAME); ok {
				next, ttl = c.Target, min(ttl, h.Ttl)
			} else if a.take(rr, q.kind) {
				ttl = min(ttl, h.Ttl)
			}
		}
		if next == "" || !a.empty() {
			break
		}
		name = next
	}
	if a.empty() {
		return a, negativeTTL(reply), ErrNotFound
	}
	return a, time.Duration(ttl) * time.Second, nil
}

func (a *answer) empty() bool { return len(a.addrs)+len(a.records) == 0 }

// take adds a record of the kind that was asked for.
func (a *answer) take(rr dns.RR, kind uint16) bool {
	var ip []byte
	switch rr := rr.(type) {
	case *dns.A:
		ip = rr.A.To4()
	case *dns.AAAA:
		ip = rr.AAAA.To16()
	case *dns.SRV:
		if kind != dns.TypeSRV || len(a.records) == maxRecords {
			return false
		}
		a.records = append(a.records, record{rr.Priority, rr.Weight, rr.Port, rr.Target})
		return true
	}
	addr, ok := netip.AddrFromSlice(ip)
	if !ok || rr.Header().Rrtype != kind || len(a.addrs) == maxAddrs {
		return false
	}
	a.addrs = append(a.addrs, addr.Unmap())
	return true
}

// negativeTTL is how long the reply says that there is nothing (RFC 2308 section 5).
func negativeTTL(reply *dns.Msg) time.Duration {
	for _, rr := range reply.Ns {
		if soa, ok := rr.(*dns.SOA); ok {
			return time.Duration(min(soa.Minttl, soa.Hdr.Ttl)) * time.Second
		}
	}
	return 0
}
