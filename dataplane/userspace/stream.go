package userspace

import (
	"errors"
	"sync"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/relay"
)

// streams are the flows whose datagrams come from TCP and TLS clients. They have a
// table of their own: a client's TCP port may have the number of another's UDP port.
type streams struct {
	reasons reasons

	mu    sync.RWMutex
	flows map[relay.Key]*flow
}

// Forward relays a datagram of a stream's flow; false: there is no such flow. What
// leaves has the system's hop limit and traffic class 0 (RFC 8656 section 13).
func (r *Relay) Forward(k relay.Key, payload []byte) bool {
	f := r.streams.find(k)
	if f == nil {
		return false
	}
	f.inside.RLock()
	defer f.inside.RUnlock()
	a := f.action.Load()
	if a == nil {
		return false
	}
	why := f.accept(payload, r.clock())
	if why == bpf.ReasonForwarded {
		why = a.emit(payload)
	}
	r.streams.reasons.add(why, 1)
	return true
}

// emit sends data that has no room in front of it for a header.
func (a *action) emit(data []byte) bpf.Reason {
	if a.sink != nil {
		a.sink(a.framed(data))
		return bpf.ReasonForwarded
	}
	s := a.out.sock.Load()
	if s == nil {
		return bpf.ReasonNoDevice
	}
	var header []byte
	if a.channel != 0 {
		var b [channelHeader]byte
		header = b[:]
		putChannel(header, a.channel, len(data))
	}
	switch err := s.sendOne(header, data, &a.dst, a.dstSize, relay.Meta{}); {
	case err == nil:
		return bpf.ReasonForwarded
	case errors.Is(err, errClosed):
		return bpf.ReasonNoDevice
	}
	return bpf.ReasonSendFailed
}

// framed puts the ChannelData header in front. Two clients on TCP that talk to each
// other are rare; so this copies.
func (a *action) framed(data []byte) []byte {
	if a.channel == 0 {
		return data
	}
	b := make([]byte, channelHeader+len(data))
	putChannel(b, a.channel, len(data))
	copy(b[channelHeader:], data)
	return b
}

func (s *streams) find(k relay.Key) *flow {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.flows[k]
}

func (s *streams) add(f *flow) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flows[f.key] != nil {
		return false
	}
	if s.flows == nil {
		s.flows = make(map[relay.Key]*flow)
	}
	s.flows[f.key] = f
	return true
}

func (s *streams) remove(f *flow) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.flows, f.key)
}
