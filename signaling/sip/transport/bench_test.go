package transport

import (
	"testing"

	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip/message"
)

// A request and its response between two nodes over loopback, one after the other: both
// ends and the kernel are in it, transactions are not.
func BenchmarkThereAndBack(b *testing.B) {
	unlimited := func(c *Config) { c.Limits.Rate = 1 << 30 }
	far, near := start(b, unlimited), start(b, unlimited)
	go func() {
		for r := range far.came {
			far.Send(AnswerHop(r.src, r.m.Via()), message.NewResponse(r.m, 200, "").Append(nil), nil)
		}
	}()
	b.Cleanup(func() { close(far.came) })
	for _, by := range []loop.Transport{loop.UDP, loop.TCP, loop.TLS} {
		b.Run(by.String(), func(b *testing.B) {
			hop := Hop{Transport: by, Remote: far.at(by)}
			data := near.options(b, hop, 0).Append(nil)
			b.ReportAllocs()
			for b.Loop() {
				near.Send(hop, data, fail(b))
				wait(b, near.came, "the response")
			}
		})
	}
}
