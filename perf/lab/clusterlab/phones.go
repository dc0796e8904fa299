package clusterlab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"turnpike.dev/turnpike/perf/lab"
)

// Domain is that of the phones' names; nodes that take them have it, and let them in.
const (
	Domain = "example.test"
	Takes  = "sip: {mode: on, udp: 5060, tcp: 5060, tls: 5061, registration_time: 7200}\ndomains: [" + Domain + "]\ndefault_subzone: {authentication: treat_as_authenticated}\n" +
		"search_rules: [{name: local, priority: 50, pattern: {type: any}, target: local}]\n"
)

// sipPort is where nodes take phones.
const sipPort = 5060

// Phones register over UDP from one host: as many as asked for.
type Phones struct {
	// Device is what they call themselves; empty: nothing.
	Device string

	conn *net.UDPConn
	at   netip.AddrPort

	mu      sync.Mutex
	waiting map[string]chan int // by Call-ID and number
	seq     int
	done    chan struct{}
}

// NewPhones opens the phones of a host. Close them.
func NewPhones(h *lab.Host) (*Phones, error) {
	at := netip.AddrPortFrom(h.Link("c0").Prefixes[0].Addr(), sipPort)
	p := &Phones{at: at, waiting: map[string]chan int{}, done: make(chan struct{})}
	err := h.Do(func() (err error) {
		p.conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		return err
	})
	if err != nil {
		return nil, err
	}
	_ = p.conn.SetReadBuffer(8 << 20)
	go p.read()
	return p, nil
}

// Close closes them.
func (p *Phones) Close() error {
	err := p.conn.Close()
	<-p.done
	return err
}

// Name is a phone's address of record.
func Name(i int) string { return fmt.Sprintf("phone%05d@%s", i, Domain) }

// Register registers a phone at a node for a time, or takes its registration back for 0. The answer must
// be a 200; another one wraps ErrRefused.
func (p *Phones) Register(ctx context.Context, to netip.Addr, phone int, expires time.Duration) error {
	p.mu.Lock()
	p.seq++
	seq := p.seq
	call := fmt.Sprintf("c%d-%d", phone, seq)
	answer := make(chan int, 1)
	p.waiting[call] = answer
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.waiting, call)
		p.mu.Unlock()
	}()
	message := fmt.Appendf(nil, "REGISTER sip:%[1]s SIP/2.0\r\nVia: SIP/2.0/UDP %[2]s;branch=z9hG4bK%[3]s\r\nMax-Forwards: 70\r\n"+
		"From: <sip:%[4]s>;tag=%[5]d\r\nTo: <sip:%[4]s>\r\nCall-ID: %[3]s\r\nCSeq: %[5]d REGISTER\r\nContact: <sip:phone%05[6]d@%[2]s>\r\nExpires: %[7]d\r\n%[8]sContent-Length: 0\r\n\r\n",
		Domain, p.at, call, Name(phone), seq, phone, int(expires/time.Second), p.device())
	for wait := 500 * time.Millisecond; wait < 16*time.Second; wait *= 2 {
		if _, err := p.conn.WriteToUDPAddrPort(message, netip.AddrPortFrom(to, sipPort)); err != nil {
			return err
		}
		select {
		case code := <-answer:
			if code != 200 {
				return fmt.Errorf("register %s at %s: %w: %d", Name(phone), to, ErrRefused, code)
			}
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
	return fmt.Errorf("register %s at %s: no answer", Name(phone), to)
}

func (p *Phones) device() string {
	if p.Device == "" {
		return ""
	}
	return "User-Agent: " + p.Device + "\r\n"
}

// atOnce is how many registrations are under way together.
const atOnce = 256

// RegisterMany registers phones, each at the node that at names. As phones do, they come again when
// they are refused: a peer's share of the licences grows behind what it needs.
func (p *Phones) RegisterMany(ctx context.Context, first, last int, at func(phone int) netip.Addr, expires time.Duration) error {
	var all sync.WaitGroup
	var mu sync.Mutex
	var failed error
	slots := make(chan struct{}, atOnce)
	for i := first; i < last; i++ {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			err := p.Register(ctx, at(i), i, expires)
			for try := 0; err != nil && try < 40; try++ {
				time.Sleep(500 * time.Millisecond)
				err = p.Register(ctx, at(i), i, expires)
			}
			if err != nil {
				mu.Lock()
				failed = errors.Join(failed, err)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return failed
}

func (p *Phones) read() {
	defer close(p.done)
	buf := make([]byte, 1<<16)
	for {
		n, _, err := p.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		code, call := parse(buf[:n])
		if code < 200 {
			continue
		}
		p.mu.Lock()
		answer := p.waiting[call]
		p.mu.Unlock()
		if answer != nil {
			select {
			case answer <- code:
			default: // it came twice
			}
		}
	}
}

// parse reads the status and the Call-ID of an answer.
func parse(m []byte) (code int, call string) {
	if !bytes.HasPrefix(m, []byte("SIP/2.0 ")) || len(m) < 12 {
		return 0, ""
	}
	code, _ = strconv.Atoi(string(m[8:11]))
	_, after, _ := bytes.Cut(m, []byte("\r\nCall-ID: "))
	id, _, _ := bytes.Cut(after, []byte("\r\n"))
	return code, string(id)
}
