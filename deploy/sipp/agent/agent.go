// Package agent is a user agent on sipgo: it registers, calls or answers, and talks in
// RTP that is counted at both ends.
//
// It exists for what Debian's SIPp cannot do, TLS and SHA-256, and is built on somebody
// else's stack on purpose: a mistake that our own parser and our own transactions made
// at both ends would go unnoticed. It runs as a process of its own (Start), because a
// stack that opens sockets in goroutines cannot be led into a namespace thread by thread.
package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
)

// Options are what an agent is and does.
type Options struct {
	Name, Password, Domain string
	Transport              string         // udp, tcp or tls
	Local                  netip.AddrPort // of signalling; RTP is at the same address
	Server                 netip.AddrPort
	Register               bool
	Call                   string        // a URI's user part or user@host; empty: answers one call
	Talk                   time.Duration // how long each side sends
	Wait                   time.Duration // for a call, at most
}

// Report is what became of it, as a line of JSON for each step.
type Report struct {
	Step      string `json:"step"` // registered, ended, failed
	Algorithm string `json:"algorithm,omitempty"`
	Sent      int    `json:"sent,omitempty"`     // RTP packets
	Received  int    `json:"received,omitempty"` // with different sequence numbers
	From      string `json:"from,omitempty"`     // where they came from
	Error     string `json:"error,omitempty"`
}

// phone is a running agent.
type phone struct {
	Options
	ua      *sipgo.UserAgent
	client  *sipgo.Client
	calls   *sipgo.DialogClientCache
	answers *sipgo.DialogServerCache
	ended   chan Report // of the call that was answered
	tell    func(Report)
}

// newPhone makes the stack. Over TLS whoever answers is believed: what is tested is the
// node, not its certificate.
func newPhone(o Options, tell func(Report)) (*phone, error) {
	ua, err := sipgo.NewUA(sipgo.WithUserAgent(o.Name), sipgo.WithUserAgentHostname(o.Domain),
		sipgo.WithUserAgenTLSConfig(&tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}))
	if err != nil {
		return nil, err
	}
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	client, err := sipgo.NewClient(ua, sipgo.WithClientAddr(o.Local.String()), sipgo.WithClientConnectionAddr(o.Local.String()), sipgo.WithClientLogger(quiet))
	if err != nil {
		return nil, errors.Join(err, ua.Close())
	}
	p := &phone{Options: o, ua: ua, client: client, ended: make(chan Report, 1), tell: tell}
	contact := sip.ContactHeader{Address: p.contact()}
	p.calls, p.answers = sipgo.NewDialogClientCache(client, contact), sipgo.NewDialogServerCache(client, contact)
	return p, nil
}

func (p *phone) contact() sip.Uri {
	params := sip.NewParams()
	params.Add("transport", p.Transport)
	return sip.Uri{Scheme: "sip", User: p.Name, Host: p.host(), Port: int(p.Local.Port()), UriParams: params}
}

// host is the local address as a URI has it.
func (p *phone) host() string {
	if p.Local.Addr().Is6() {
		return "[" + p.Local.Addr().String() + "]"
	}
	return p.Local.Addr().String()
}

// run does what the options say.
func (p *phone) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	server, err := sipgo.NewServer(p.ua)
	if err != nil {
		return err
	}
	server.OnInvite(func(req *sip.Request, tx sip.ServerTransaction) { p.answer(ctx, req, tx) })
	server.OnAck(func(req *sip.Request, tx sip.ServerTransaction) { _ = p.answers.ReadAck(req, tx) }) // of no dialog: nothing to say
	server.OnBye(p.bye)
	server.OnOptions(func(req *sip.Request, tx sip.ServerTransaction) {
		_ = tx.Respond(sip.NewResponseFromRequest(req, 200, "OK", nil)) // asked again otherwise
	})
	if p.Transport == "udp" || !p.Register { // one that registers is reached by its connection
		conn, err := net.ListenPacket("udp", p.Local.String())
		if err != nil {
			return err
		}
		go func() { _ = server.ServeUDP(conn) }() // ends with the process
		if err := p.awaitSocket(ctx); err != nil {
			return err
		}
	}
	if p.Register {
		if err := p.register(ctx); err != nil {
			return fmt.Errorf("register: %w", err)
		}
	}
	if p.Call != "" {
		return p.call(ctx)
	}
	select {
	case r := <-p.ended:
		p.tell(r)
		return nil
	case <-time.After(p.Wait):
		return errors.New("nobody called")
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// awaitSocket returns when the stack knows its socket: a request before that would open
// another one.
func (p *phone) awaitSocket(ctx context.Context) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := p.ua.TransportLayer().GetConnection("udp", p.Local.String()); err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// register registers and answers the challenge.
func (p *phone) register(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	req := sip.NewRequest(sip.REGISTER, sip.Uri{Scheme: "sip", Host: p.Domain})
	req.AppendHeader(&sip.ToHeader{Address: sip.Uri{Scheme: "sip", User: p.Name, Host: p.Domain}})
	req.AppendHeader(&sip.ContactHeader{Address: p.contact()})
	req.AppendHeader(sip.NewHeader("Expires", "300"))
	p.send(req)
	res, err := p.client.Do(ctx, req)
	if err != nil {
		return err
	}
	if res.StatusCode != sip.StatusUnauthorized {
		return fmt.Errorf("the first REGISTER was answered %d %s, want a challenge", res.StatusCode, res.Reason)
	}
	algorithm := algorithmOf(res)
	res, err = p.client.DoDigestAuth(ctx, req, res, sipgo.DigestAuth{Username: p.Name, Password: p.Password})
	if err != nil {
		return err
	}
	if res.StatusCode != sip.StatusOK {
		return fmt.Errorf("answered %d %s", res.StatusCode, res.Reason)
	}
	p.tell(Report{Step: "registered", Algorithm: algorithm})
	return nil
}

// send has a request go to the server by the transport that was chosen.
func (p *phone) send(req *sip.Request) {
	req.SetTransport(strings.ToUpper(p.Transport))
	req.SetDestination(p.Server.String())
}

// algorithmOf is that of the first challenge, which is the one that is answered.
func algorithmOf(res *sip.Response) string {
	h := res.GetHeader("WWW-Authenticate")
	if h == nil {
		return ""
	}
	_, rest, found := strings.Cut(strings.ToLower(h.Value()), "algorithm=")
	if !found {
		return "md5"
	}
	rest, _, _ = strings.Cut(rest, ",")
	return strings.Trim(strings.TrimSpace(rest), `"`)
}
