package clustering

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// Resolver asks DNS; *net.Resolver does.
type Resolver interface {
	LookupSRV(ctx context.Context, service, proto, name string) (cname string, records []*net.SRV, err error)
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

var _ Resolver = (*net.Resolver)(nil)

// Answer is what DNS says to a record of the plan.
type Answer struct {
	Record
	// State is ok, missing, other (DNS has it, but not alike) or failed.
	State string `json:"state"`
	// Found is what DNS has instead, or why it could not be asked.
	Found string `json:"found,omitempty"`
}

// States of an Answer.
const (
	RecordOK      = "ok"
	RecordMissing = "missing"
	RecordOther   = "other"
	RecordFailed  = "failed"
)

// DNS is the plan with what DNS answers, and what DNS has besides.
type DNS struct {
	Answers []Answer `json:"records"`
	// Extra are records under the cluster's names that lead to nobody of the list.
	Extra   []string `json:"extra,omitempty"`
	Lacking []string `json:"lacking,omitempty"`
}

// OK reports whether DNS is as it should be.
func (d DNS) OK() bool {
	return len(d.Extra)+len(d.Lacking) == 0 && !slices.ContainsFunc(d.Answers, func(a Answer) bool { return a.State != RecordOK })
}

// CheckDNS asks for every name of a plan once and compares (CL-23).
func CheckDNS(ctx context.Context, r Resolver, p Plan) DNS {
	d := DNS{Answers: make([]Answer, 0, len(p.Records)), Lacking: p.Lacking}
	asked := map[string]*found{}
	for _, record := range p.Records {
		key := record.Type + " " + record.Name
		if asked[key] == nil {
			asked[key] = look(ctx, r, record)
		}
		d.Answers = append(d.Answers, asked[key].judge(record))
	}
	told := map[string]bool{}
	for _, record := range p.Records {
		if key := record.Type + " " + record.Name; !told[key] {
			told[key] = true
			d.Extra = append(d.Extra, asked[key].rest(record)...)
		}
	}
	return d
}

// found is what DNS has under one name, each value once.
type found struct {
	values []string
	used   map[string]bool
	err    error
}

func look(ctx context.Context, r Resolver, record Record) *found {
	f := &found{used: map[string]bool{}}
	if record.Type == "SRV" {
		service, proto, name := split(record.Name)
		_, records, err := r.LookupSRV(ctx, service, proto, name)
		for _, s := range records {
			f.values = append(f.values, fmt.Sprintf("%d %d %d %s.", s.Priority, s.Weight, s.Port, strings.ToLower(strings.TrimSuffix(s.Target, "."))))
		}
		f.err = unlessMissing(err)
		return f
	}
	network := "ip4"
	if record.Type == "AAAA" {
		network = "ip6"
	}
	addrs, err := r.LookupNetIP(ctx, network, record.Name)
	for _, a := range addrs {
		f.values = append(f.values, a.Unmap().String())
	}
	f.err = unlessMissing(err)
	return f
}

// split takes _sip._tcp.example.test apart as net.LookupSRV wants it.
func split(name string) (service, proto, domain string) {
	parts := strings.SplitN(name, ".", 3)
	return strings.TrimPrefix(parts[0], "_"), strings.TrimPrefix(parts[1], "_"), parts[2]
}

// unlessMissing keeps errors that do not just say that there is nothing.
func unlessMissing(err error) error {
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		return nil
	}
	return err
}

func (f *found) judge(r Record) Answer {
	want := strings.ToLower(r.Value)
	if slices.Contains(f.values, want) {
		f.used[want] = true
		return Answer{Record: r, State: RecordOK}
	}
	if f.err != nil {
		return Answer{Record: r, State: RecordFailed, Found: f.err.Error()}
	}
	if r.Type == "SRV" { // the same host with other numbers
		host := want[strings.LastIndex(want, " "):]
		for _, v := range f.values {
			if strings.HasSuffix(v, host) {
				f.used[v] = true
				return Answer{Record: r, State: RecordOther, Found: v}
			}
		}
	}
	return Answer{Record: r, State: RecordMissing}
}

// rest returns what no record of the plan asked for.
func (f *found) rest(r Record) (extra []string) {
	for _, v := range f.values {
		if !f.used[v] {
			extra = append(extra, fmt.Sprintf("%s %s %s", r.Name, r.Type, v))
		}
	}
	return extra
}
