package registrar

import (
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"testing"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/registrations"
	"turnpike.dev/turnpike/control/routing"
	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/shard"
	"turnpike.dev/turnpike/signaling/sip/access"
	"turnpike.dev/turnpike/signaling/sip/digest"
	"turnpike.dev/turnpike/signaling/sip/message"
)

// canned is a request without a transaction: it keeps the answer's bytes.
type canned struct {
	m      *message.Message
	src    loop.Source
	answer []byte
}

func (c *canned) Request() *message.Message { return c.m }
func (c *canned) Source() loop.Source       { return c.src }
func (c *canned) Shard() *shard.Shard       { return nil }

func (c *canned) Reply(status int, reason string, change ...func(*message.Message)) {
	m := message.NewResponse(c.m, status, reason)
	for _, f := range change {
		f(m)
	}
	c.Respond(m)
}

func (c *canned) Respond(m *message.Message) {
	m.SetTo(m.To().WithTag("1"))
	c.answer = m.Append(c.answer[:0])
}

// benchNode is a registrar without sockets.
func benchNode(b *testing.B) (*Registrar, *registrations.Table) {
	b.Helper()
	n, err := config.Parse("node.yaml", []byte(file+"registrations: {max: 200000}"))
	if err != nil {
		b.Fatal(err)
	}
	router, err := routing.New(n, routing.Surroundings{})
	if err != nil {
		b.Fatal(err)
	}
	table, flows, log := registrations.New(registrations.Config{}), NewFlows(), &notes{}
	guard := access.New(n, access.Deps{Sources: bySource{router}, Bindings: table, Flows: flows, Snapshot: router.Snapshot, Key: []byte("key"), Log: log})
	return New(n, Deps{Table: table, Flows: flows, Access: guard, Router: router, Log: log}), table
}

// text is a REGISTER as a phone sends it.
func text(user string, seq int, authorization string) []byte {
	return []byte(strings.Join([]string{
		"REGISTER sip:example.test SIP/2.0",
		"Via: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK2214308c004f3315;rport",
		fmt.Sprintf("Contact: <sip:%s-0x564b7617a540@192.0.2.7:5060>;expires=300;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000a95a0e128>\"", user),
		"Max-Forwards: 70",
		fmt.Sprintf("To: <sip:%s@example.test>", user),
		fmt.Sprintf("From: <sip:%s@example.test>;tag=c47500b3f90e0302", user),
		"Call-ID: a6dfa1d70cdf7691-" + user,
		fmt.Sprintf("CSeq: %d REGISTER", seq),
		"User-Agent: phone v1.0.0 (x86_64/linux)",
		"Allow: INVITE,ACK,BYE,CANCEL,OPTIONS,NOTIFY,SUBSCRIBE,INFO,MESSAGE,REFER",
		authorization + "Content-Length: 0", "", "",
	}, "\r\n"))
}

var benchSource = loop.Source{Remote: netip.MustParseAddrPort("192.0.2.7:5060"), Local: netip.MustParseAddrPort("192.0.2.1:5060")}

// BenchmarkRegister is a refresh as it mostly goes: a request that is challenged and the
// one that shows the password, from bytes to bytes, without sockets and transactions.
func BenchmarkRegister(b *testing.B) {
	r, _ := benchNode(b)
	client := digest.Client{User: "alice", Password: "secret"}
	b.ReportAllocs()
	for seq := 1; b.Loop(); seq += 2 {
		first := canned{src: benchSource}
		first.m, _ = message.Parse(text("alice", seq, ""))
		r.register(&first)
		b.StopTimer() // the phone's part
		answer, err := message.Parse(first.answer)
		if err != nil {
			b.Fatal(err)
		}
		value, _ := client.Answer(answer.All("WWW-Authenticate"), "REGISTER", "sip:example.test")
		client.Accepted()
		second := text("alice", seq+1, "Authorization: "+value+"\r\n")
		b.StartTimer()
		last := canned{src: benchSource}
		last.m, _ = message.Parse(second)
		r.register(&last)
		if !strings.HasPrefix(string(last.answer), "SIP/2.0 200") {
			b.Fatalf("%s", last.answer)
		}
	}
}

// BenchmarkMemory tells how many bytes a registration keeps, with 20,000 of them.
func BenchmarkMemory(b *testing.B) {
	const many = 20_000
	for b.Loop() {
		r, table := benchNode(b)
		n, err := config.Parse("node.yaml", []byte(file+"registrations: {max: 200000}\ndefault_subzone: {authentication: treat_as_authenticated}"))
		if err != nil {
			b.Fatal(err)
		}
		r.Access.(*access.Guard).Change(n)
		before := heap()
		for i := range many {
			c := canned{src: benchSource}
			c.src.Remote = netip.AddrPortFrom(benchSource.Remote.Addr(), uint16(1024+i))
			c.m, _ = message.Parse(text(fmt.Sprint("user", i), 1, ""))
			r.register(&c)
		}
		if got := table.Counts().Local; got != many {
			b.Fatalf("%d registrations", got)
		}
		b.ReportMetric(float64(heap()-before)/many, "B/registration")
		runtime.KeepAlive(table)
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
