package sipp_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/signaling/sip/digest"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/peers"
)

// flow is one way of a phone: a connection that it keeps open to one node, and over which it is
// reached (RFC 5626). It says what the test says, and no more.
type flow struct {
	t    *testing.T
	name string
	conn net.Conn
	in   chan *message.Message // closed with the connection
	seq  uint32
	hash digest.Client
}

// flowTo opens a flow from a host to a node.
func flowTo(t *testing.T, from *lab.Host, local netip.Addr, to netip.AddrPort, name string) *flow {
	t.Helper()
	l := &flow{t: t, name: name, in: make(chan *message.Message, 16), hash: digest.Client{User: name, Password: password}}
	err := from.Do(func() (err error) {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: local.AsSlice()}, Timeout: 5 * time.Second}
		l.conn, err = d.Dial("tcp", to.String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	go l.read()
	return l
}

func (l *flow) close() { _ = l.conn.Close() }

// read reads messages until the connection ends.
func (l *flow) read() {
	defer close(l.in)
	for r := bufio.NewReader(l.conn); ; {
		var text strings.Builder
		size := 0
		for {
			s, err := r.ReadString('\n')
			if err != nil {
				return
			}
			text.WriteString(s)
			if name, value, _ := strings.Cut(s, ":"); strings.EqualFold(name, "Content-Length") {
				size, _ = strconv.Atoi(strings.TrimSpace(value))
			}
			if s == "\r\n" {
				break
			}
		}
		body := make([]byte, size)
		if _, err := io.ReadFull(r, body); err != nil {
			return
		}
		if m, err := message.ParseStream([]byte(text.String() + string(body))); err == nil {
			l.in <- m
		}
	}
}

// next is the next message; nil: none came in time, or the connection has ended.
func (l *flow) next(patience time.Duration) *message.Message {
	select {
	case m := <-l.in:
		return m
	case <-time.After(patience):
		return nil
	}
}

// ask sends a request and returns its final response; a challenge is answered.
func (l *flow) ask(method message.Method, whom string, change ...func(*message.Message)) *message.Message {
	l.t.Helper()
	id, tag := message.NewCallID(), message.NewTag()
	proof := [2]string{}
	for range 2 {
		m := l.request(method, whom, id, tag)
		for _, f := range change {
			f(m)
		}
		if proof[0] != "" {
			m.Set(proof[0], proof[1])
		}
		if _, err := l.conn.Write(m.Append(nil)); err != nil {
			l.t.Fatal(err)
		}
		resp := l.final()
		offered := slices.Concat(resp.All("WWW-Authenticate"), resp.All("Proxy-Authenticate"))
		value, ok := l.hash.Answer(offered, string(method), m.URI().String())
		if !ok {
			l.hash.Accepted()
			return resp
		}
		proof = [2]string{"Authorization", value}
		if resp.Status() == 407 {
			proof[0] = "Proxy-Authorization"
		}
	}
	l.t.Fatalf("%s is asked for its password again", l.name)
	return nil
}

func (l *flow) final() *message.Message {
	l.t.Helper()
	for {
		m := l.next(20 * time.Second)
		if m == nil {
			l.t.Fatalf("%s got no answer", l.name)
		}
		if !m.IsRequest() && m.Status() >= 200 {
			return m
		}
	}
}

func (l *flow) request(method message.Method, whom, id, tag string) *message.Message {
	l.seq++
	me, to := message.URI{Scheme: "sip", User: l.name, Host: domain}, message.URI{Scheme: "sip", User: whom, Host: domain}
	m := message.NewRequest(method, to)
	if method == message.Register {
		m.SetURI(message.URI{Scheme: "sip", Host: domain})
	}
	at := l.conn.LocalAddr().(*net.TCPAddr).AddrPort()
	m.PushVia(message.Via{Transport: "TCP", Host: at.Addr().String(), Port: at.Port(), Params: message.Params{{Name: "branch", Value: message.NewBranch()}}})
	m.SetMaxForwards(70)
	m.SetFrom(message.Address{URI: me}.WithTag(tag))
	m.SetTo(message.Address{URI: to})
	m.SetCallID(id)
	m.SetCSeq(l.seq, method)
	return m
}

// register registers a flow of an endpoint.
func (l *flow) register(instance string, flow int) {
	l.t.Helper()
	at := l.conn.LocalAddr().(*net.TCPAddr).AddrPort()
	resp := l.ask(message.Register, l.name, func(m *message.Message) {
		m.Set("Supported", "path, outbound")
		m.Set("Contact", fmt.Sprintf(`<sip:%s@%s;transport=tcp;ob>;reg-id=%d;+sip.instance="<urn:uuid:%s>";expires=300`, l.name, at, flow, instance))
	})
	if resp.Status() != 200 || !slices.Contains(resp.Tokens("Require"), "outbound") {
		l.t.Fatalf("%s is not registered over a flow:\n%s", l.name, resp.Append(nil))
	}
}

// contact is where the phone is: at the other end of the flow.
func (l *flow) contact() message.Address {
	at := l.conn.LocalAddr().(*net.TCPAddr).AddrPort()
	return message.Address{URI: message.URI{Scheme: "sip", User: l.name, Host: at.Addr().String(), Port: at.Port(), Params: message.Params{{Name: "transport", Value: "tcp"}}}}
}

// answer answers the next request.
func (l *flow) answer(m *message.Message, status int, change ...func(*message.Message)) {
	l.t.Helper()
	out := message.NewResponse(m, status, "")
	for _, f := range change {
		f(out)
	}
	out.SetTo(out.To().WithTag(message.NewTag()))
	if _, err := l.conn.Write(out.Append(nil)); err != nil {
		l.t.Fatal(err)
	}
}

// claimed is how a node answers a message over TCP or TLS of somebody who says what peers say of their callers, from
// another node's host and with a certificate of his own.
func (c *peered) claimed(t *testing.T, from int, to netip.AddrPort) int {
	t.Helper()
	l := flowTo(t, c.lab.Nodes[from], c.lab.Inside(from), to, "mallory")
	if to.Port() == tlsPort {
		l.close()
		l = flowOverTLS(t, c.lab.Nodes[from], c.lab.Inside(from), to)
	}
	m := l.request(message.Method("MESSAGE"), "bob", message.NewCallID(), message.NewTag())
	peers.Note{Alias: "bob@example.test", Authenticated: true, Registered: true}.Put(m)
	m.SetFrom(message.Address{URI: message.URI{Scheme: "sip", User: "alice", Host: domain}}.WithTag("1"))
	if _, err := l.conn.Write(m.Append(nil)); err != nil {
		t.Fatal(err)
	}
	return l.final().Status()
}

// flowOverTLS opens a flow as mallory does, who lives where a peer does and has another key.
func flowOverTLS(t *testing.T, from *lab.Host, local netip.Addr, to netip.AddrPort) *flow {
	t.Helper()
	l := &flow{t: t, name: "mallory", in: make(chan *message.Message, 16)}
	own := ownCertificate(t)
	err := from.Do(func() error {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: local.AsSlice()}, Timeout: 5 * time.Second}
		conn, err := d.Dial("tcp", to.String())
		if err != nil {
			return err
		}
		secure := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{own}}) //nolint:gosec // whoever is there
		l.conn = secure
		return secure.Handshake()
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	go l.read()
	return l
}

func ownCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"tp3"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
