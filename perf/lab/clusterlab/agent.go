package clusterlab

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"turnpike.dev/turnpike/perf/lab"
)

// agent sends requests over UDP and waits for their answers. Each request that comes to it is accepted, without
// remembering it: an answer that got lost is given again.
type agent struct {
	conn *net.UDPConn
	at   netip.AddrPort
	life int64 // of these among earlier ones at the same place

	mu      sync.Mutex
	waiting map[string]chan answer // by Call-ID and CSeq
	done    chan struct{}
}

// answer is a response.
type answer struct {
	code   int
	reason string
	head   string
	body   string
}

func (a answer) header(name string) string { return header(a.head, name) }

func newAgent(h *lab.Host, port uint16) (*agent, error) {
	a := &agent{
		at: netip.AddrPortFrom(h.Link("c0").Prefixes[0].Addr(), port), life: time.Now().UnixNano(),
		waiting: map[string]chan answer{}, done: make(chan struct{}),
	}
	err := h.Do(func() (err error) {
		a.conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(a.at))
		return err
	})
	if err != nil {
		return nil, err
	}
	_ = a.conn.SetReadBuffer(8 << 20)
	go a.read()
	return a, nil
}

func (a *agent) close() error {
	err := a.conn.Close()
	<-a.done
	return err
}

func (a *agent) send(to netip.AddrPort, message string) error {
	_, err := a.conn.WriteToUDPAddrPort([]byte(message), to)
	return err
}

// answerTime is how long an agent waits for what is final.
const answerTime = 32 * time.Second

// ask sends a request, again and again until somebody has it (RFC 3261 section 17.1), and returns the final answer.
func (a *agent) ask(ctx context.Context, to netip.AddrPort, request string) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	key := header(request, "Call-ID") + " " + header(request, "CSeq")
	answers := make(chan answer, 8)
	a.mu.Lock()
	a.waiting[key] = answers
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		delete(a.waiting, key)
		a.mu.Unlock()
	}()
	again, heard := 500*time.Millisecond, false
	for {
		if !heard {
			if err := a.send(to, request); err != nil {
				return answer{}, err
			}
		}
		select {
		case got := <-answers:
			if got.code >= 200 {
				return got, nil
			}
			heard = strings.HasPrefix(request, "INVITE")
		case <-time.After(again):
			again = min(2*again, 4*time.Second)
		case <-ctx.Done():
			return answer{}, fmt.Errorf("%s: no answer: %w", strings.SplitN(request, " ", 2)[0], ctx.Err())
		}
	}
}

func (a *agent) read() {
	defer close(a.done)
	buf := make([]byte, 1<<16)
	for {
		n, from, err := a.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		head, body, _ := strings.Cut(string(buf[:n]), "\r\n\r\n")
		line, _, _ := strings.Cut(head, "\r\n")
		if code, is := strings.CutPrefix(line, "SIP/2.0 "); is {
			a.answered(answer{head: head, body: body}, code)
			continue
		}
		if method, _, _ := strings.Cut(line, " "); method != "ACK" {
			_ = a.send(from, a.accepts(method, head, body))
		}
	}
}

func (a *agent) answered(got answer, status string) {
	code, reason, _ := strings.Cut(status, " ")
	got.code, _ = strconv.Atoi(code)
	got.reason = reason
	a.mu.Lock()
	answers := a.waiting[got.header("Call-ID")+" "+got.header("CSeq")]
	a.mu.Unlock()
	if answers == nil {
		return
	}
	select {
	case answers <- got:
	default: // it came again
	}
}

// accepts is a 200.
func (a *agent) accepts(method, head, body string) string {
	var b strings.Builder
	b.WriteString("SIP/2.0 200 OK\r\n")
	for line := range strings.SplitSeq(head, "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		switch name {
		case "Via", "From", "Call-ID", "CSeq", "Record-Route":
			b.WriteString(line + "\r\n")
		case "To":
			if !strings.Contains(value, "tag=") {
				line += ";tag=e" + strings.TrimSpace(header(head, "Call-ID"))
			}
			b.WriteString(line + "\r\n")
		}
	}
	fmt.Fprintf(&b, "Contact: <sip:callee@%s>\r\n", a.at)
	if (method == "INVITE" || method == "UPDATE") && body != "" {
		body = accept(a.at.Addr(), body)
		b.WriteString("Content-Type: application/sdp\r\n")
	} else {
		body = ""
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	return b.String()
}

// header is the value of a header's first line.
func header(head, name string) string {
	for line := range strings.SplitSeq(head, "\r\n") {
		if value, is := strings.CutPrefix(line, name+":"); is {
			return strings.TrimSpace(value)
		}
		if line == "" {
			break
		}
	}
	return ""
}
