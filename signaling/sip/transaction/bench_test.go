package transaction

import (
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

// bench makes a layer that is used from this goroutine while its shard sleeps, so that only transactions are measured: no sockets, no
// parsing, no hand-over between goroutines.
func bench(b *testing.B) *end {
	b.Helper()
	e := newEnd(b, here, Limit(1<<20, 1<<20))
	e.serve = func(s *Server) { s.Reply(200, "") }
	return e
}

func incoming(i int, method message.Method) *message.Message {
	m := request(method, fmt.Sprint("call-", i))
	m.PushVia(message.Via{Transport: "UDP", Host: "192.0.2.2", Port: 5060, Params: message.Params{{Name: "branch", Value: fmt.Sprint("z9hG4bK", i)}}})
	return m
}

// Measures a request that is answered at once: matching, the transaction, the answer made and serialised, and what
// is kept of it. The requests are parsed before.
func BenchmarkServer(b *testing.B) {
	e := bench(b)
	all := make([]*message.Message, b.N)
	for i := range all {
		all[i] = incoming(i, message.Register)
	}
	src := loop.Source{Local: here, Remote: there}
	b.ReportAllocs()
	b.ResetTimer()
	for _, m := range all {
		e.Receive(src, m)
	}
}

// Measures a request that is sent and answered, the request serialised; the answer is parsed before.
func BenchmarkClient(b *testing.B) {
	e := bench(b)
	all, answers := make([]*message.Message, b.N), make([]*message.Message, b.N)
	for i := range all {
		all[i] = request(message.Options, fmt.Sprint("call-", i))
		answers[i] = message.NewResponse(all[i], 200, "")
	}
	u := &asker{statuses: make([]int, 0, b.N)}
	src := loop.Source{Local: here, Remote: there}
	b.ReportAllocs()
	b.ResetTimer()
	for i, m := range all {
		c := e.Layer.Send(e.shard, m, transport.Hop{Remote: there}, u)
		answers[i].PushVia(c.Request().Via())
		e.Receive(src, answers[i])
	}
}

// What a request that was answered leaves behind for 32 s, the bytes of the answer included, is less than a kilobyte; parsed messages
// would be five. One that still waits for its answer has its message.
func TestWhatIsKept(t *testing.T) {
	const n = 5000
	e := newEnd(t, here, Limit(1<<20, 1<<20))
	src := loop.Source{Local: here, Remote: there}
	begin := func(method message.Method, serve func(*Server), from int) (each uint64) {
		e.do(func() {
			e.serve = serve
			before := heap()
			for i := range n {
				e.Receive(src, incoming(from+i, method))
			}
			each = (heap() - before) / n
		})
		return each
	}
	ended := begin(message.Register, func(s *Server) { s.Reply(200, "") }, 0)
	running := begin(message.Options, func(*Server) {}, n)
	t.Logf("%d bytes for each that is over, %d for each that runs", ended, running)
	if ended > 1000 {
		t.Errorf("%d bytes are kept for each transaction that is over", ended)
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A map keeps the room that it once needed, so that after a burst the records that are left get a new one.
func TestABurstLeavesNoMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnd(t, here, Limit(1<<20, 1<<20))
		e.serve = func(s *Server) { s.Reply(200, "") }
		src, table := loop.Source{Local: here, Remote: there}, e.tables[0]
		receive := func(from, to int) {
			e.do(func() {
				for i := from; i < to; i++ {
					e.Receive(src, incoming(i, message.Register))
				}
			})
		}
		receive(0, 2*smallMap)
		time.Sleep(20 * time.Second)
		receive(2*smallMap, 2*smallMap+100)
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if len(table.records) != 100 || table.most != 100 {
			t.Errorf("%d records are left, in a map for %d; want 100", len(table.records), table.most)
		}
		receive(2*smallMap, 2*smallMap+100)
		if n := e.Stats().Repeated; n != 100 {
			t.Errorf("%d of 100 requests were known again", n)
		}
		time.Sleep(time.Minute)
	})
}
