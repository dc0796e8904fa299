package userspace

import (
	"fmt"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/relay"
)

const (
	slots     = 64 // datagrams that a loop holds at a time
	perTurn   = 32 // datagrams that a socket may have taken at a time
	headroom  = channelHeader
	slotSize  = 1 << 16
	slotShift = 576 // keeps slots from falling into the same lines of the cache
	stride    = slotSize + slotShift
)

// batch is where a loop's datagrams lie from receiving to sending. Each slot has room
// for the largest datagram; a page that no datagram ever touched takes no memory. It
// is not Go's, so that it does not put off the garbage collector.
type batch struct {
	memory []byte
	used   int // slots received into since the last flush

	in     [slots]mmsghdr
	inIov  [slots]unix.Iovec
	from   [slots]sockaddr
	inCtrl [slots]control

	pending int // datagrams to send
	out     [slots]mmsghdr
	outIov  [slots]unix.Iovec
	outCtrl [slots]control
	by      [slots]*socket
}

func newBatch() (*batch, error) {
	memory, err := unix.Mmap(-1, 0, slots*stride, unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, fmt.Errorf("map receive buffers: %w", err)
	}
	b := &batch{memory: memory}
	for i := range slots {
		b.inIov[i].Base = &b.slot(i)[headroom]
		b.inIov[i].SetLen(slotSize - headroom)
		b.in[i].msg.Name = &b.from[i][0]
		b.in[i].msg.Iov = &b.inIov[i]
		b.in[i].msg.Iovlen = 1
		b.in[i].msg.Control = &b.inCtrl[i][0]

		b.out[i].msg.Iov = &b.outIov[i]
		b.out[i].msg.Iovlen = 1
		b.out[i].msg.Control = &b.outCtrl[i][0]
	}
	return b, nil
}

func (b *batch) close() error { return unix.Munmap(b.memory) }

func (b *batch) slot(i int) []byte {
	return b.memory[i*stride:][:slotSize:slotSize]
}

// next returns the slots that the next socket receives into, ready for the system.
func (b *batch) next() []mmsghdr {
	v := b.in[b.used:min(b.used+perTurn, slots)]
	for i := range v {
		v[i].msg.Namelen = sockaddr6Size
		v[i].msg.Controllen = controlSize
	}
	return v
}

func (b *batch) room() int { return slots - b.used }

// data is the datagram in a slot.
func (b *batch) data(i int) []byte {
	return b.slot(i)[headroom:][:b.in[i].n]
}

func (b *batch) meta(i int) relay.Meta {
	return meta(b.inCtrl[i][:b.in[i].msg.Controllen])
}

// queue puts a datagram behind what is to be sent; data lies in a slot.
func (b *batch) queue(s *socket, data []byte, a *action, m relay.Meta) {
	i := b.pending
	b.pending++
	b.by[i] = s
	b.outIov[i] = unix.Iovec{}
	fill(&b.outIov[i], data)
	msg := &b.out[i].msg
	msg.Name, msg.Namelen = &a.dst[0], a.dstSize
	msg.Controllen = b.outCtrl[i].put(m, s.ipv4)
}

// flush sends what is queued, with one system call for a row of datagrams that leave
// by the same socket. Towards clients that is all of them.
func (b *batch) flush(r *reasons) {
	for i := 0; i < b.pending; {
		end := i + 1
		for end < b.pending && b.by[end] == b.by[i] {
			end++
		}
		sent, gone, failed := b.by[i].send(b.out[i:end])
		r.add(bpf.ReasonForwarded, sent)
		if gone+failed > 0 {
			r.add(bpf.ReasonNoDevice, gone)
			r.add(bpf.ReasonSendFailed, failed)
		}
		i = end
	}
	b.pending = 0
}

// prepend puts a ChannelData header in front of data, where the old one was or where
// the slot has room for it.
func (b *batch) prepend(i int, data []byte, channel uint16) []byte {
	slot := b.slot(i)
	start := cap(slot) - cap(data) - channelHeader
	putChannel(slot[start:], channel, len(data))
	return slot[start:][:channelHeader+len(data)]
}
