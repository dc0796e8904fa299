package message_test

import (
	"testing"

	"github.com/emiago/sipgo/sip"

	"turnpike.dev/turnpike/signaling/sip/message"
)

// What a message costs by itself: no socket, no transaction, no look-up, and SDP is a body
// of bytes. The INVITE has 19 header fields and 325 bytes of SDP.
func BenchmarkMessage(b *testing.B) {
	data := []byte(invite)
	m := parse(b, invite)
	for _, c := range []struct {
		name string
		do   func(buf []byte)
	}{
		{"parse", func([]byte) { _, _ = message.Parse(data) }},
		{"append", func(buf []byte) { m.Append(buf) }},
		{"parse, push a Via, append", func(buf []byte) {
			m, _ := message.Parse(data)
			m.PushVia(message.Via{Transport: "UDP", Host: "192.0.2.9", Port: 5060, Params: message.Params{{Name: "branch", Value: "z9hG4bKx"}}})
			m.SetMaxForwards(69)
			m.Append(buf)
		}},
		{"response, append", func(buf []byte) {
			r := message.NewResponse(m, 200, "")
			r.SetTo(r.To().WithTag("x"))
			r.Append(buf)
		}},
		{"what a transaction asks", func([]byte) {
			_, _ = m.CSeq()
			_, _, _, _ = m.Via(), m.CallID(), m.From(), m.To()
		}},
		{"sipgo: parse", func([]byte) { _, _ = sip.ParseMessage(data) }},
		{"sipgo: parse, write", func([]byte) {
			m, _ := sip.ParseMessage(data)
			_ = m.String()
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			buf := make([]byte, 0, 4096)
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				c.do(buf)
			}
		})
	}
}

func BenchmarkFramer(b *testing.B) {
	data := []byte(invite)
	f := &message.Framer{}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Next(data); err != nil {
			b.Fatal(err)
		}
	}
}
