package clusterlab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"

	"turnpike.dev/turnpike/perf/lab"
)

// Ports of the two sites.
const (
	westPort = 5062
	eastPort = 5070
)

// Sites call from west to east through nodes: calls take licences, and bandwidth of the pipe between the sites. Their
// media, of which there is none, would go past the nodes, which have one interface.
type Sites struct {
	west, east *agent
	seq        atomic.Uint64
}

// NewSites opens the two. Close them.
func NewSites(west, east *lab.Host) (*Sites, error) {
	w, err := newAgent(west, westPort)
	if err != nil {
		return nil, err
	}
	e, err := newAgent(east, eastPort)
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	return &Sites{west: w, east: e}, nil
}

// Close closes them.
func (s *Sites) Close() error { return errors.Join(s.west.close(), s.east.close()) }

// Between is what node files say of the sites, and of the pipe between them.
func (s *Sites) Between(pipe string) string {
	return fmt.Sprintf(`zones:
- {name: west, type: neighbour, protocol: sip, peers: ["%s"], monitor: off}
- {name: east, type: neighbour, protocol: sip, peers: ["%s"], monitor: off}
search_rules: [{name: local, priority: 50, pattern: {type: any}, target: local}, {name: east, priority: 100, pattern: {type: any}, target: east}]
pipes: [{name: line, total: %s}]
links:
- {name: DefaultSZtoTraversalSZ, node1: DefaultSubZone, node2: TraversalSubZone}
- {name: DefaultSZtoDefaultZ, node1: DefaultSubZone, node2: DefaultZone}
- {name: DefaultSZtoClusterSZ, node1: DefaultSubZone, node2: ClusterSubZone}
- {name: TraversalSZtoDefaultZ, node1: TraversalSubZone, node2: DefaultZone}
- {name: west, node1: west, node2: DefaultSubZone, pipe1: line}
- {name: east, node1: east, node2: DefaultSubZone}
`, s.west.at, s.east.at, pipe)
}

// Settle registers the east at a node: calls through other nodes reach it through that one.
func (s *Sites) Settle(ctx context.Context, node netip.Addr) error {
	id := fmt.Sprintf("r%d-%d", s.seq.Add(1), s.east.life)
	answer, err := s.east.ask(ctx, netip.AddrPortFrom(node, sipPort), fmt.Sprintf("REGISTER sip:%[1]s SIP/2.0\r\nVia: SIP/2.0/UDP %[2]s;branch=z9hG4bK%[3]s\r\nMax-Forwards: 70\r\n"+
		"From: <sip:callee@%[1]s>;tag=%[3]s\r\nTo: <sip:callee@%[1]s>\r\nCall-ID: %[3]s\r\nCSeq: 1 REGISTER\r\nContact: <sip:callee@%[2]s>\r\nExpires: 3600\r\nContent-Length: 0\r\n\r\n",
		Domain, s.east.at, id))
	if err == nil && answer.code != 200 {
		err = fmt.Errorf("register the east at %s: %w: %d %s", node, ErrRefused, answer.code, answer.reason)
	}
	return err
}

// Wanted is what a call asks for.
type Wanted struct {
	Kbps  int
	Video bool // of one, and sound; else sound alone, which takes half a licence
}

// Call is one that stands.
type Call struct {
	Granted int // kbit/s, as the answer says; 0: it says nothing, which is what was asked for

	sites  *Sites
	node   netip.AddrPort
	id, to string // to: the header's value
	target string
}

// ErrRefused is the error of a call that a node refused.
var ErrRefused = errors.New("refused")

// Call sets a call up through a node. What the node refuses wraps ErrRefused.
func (s *Sites) Call(ctx context.Context, node netip.Addr, w Wanted) (*Call, error) {
	c := &Call{sites: s, node: netip.AddrPortFrom(node, sipPort), id: fmt.Sprintf("w%d-%d", s.seq.Add(1), s.west.life)}
	c.to = fmt.Sprintf("<sip:callee@%s>", Domain)
	uri := "sip:callee@" + Domain
	body := offer(s.west.at.Addr(), w)
	answer, err := s.west.ask(ctx, c.node, c.request("INVITE", uri, 1, body))
	if err != nil {
		return nil, fmt.Errorf("call through %s: %w", node, err)
	}
	c.to = answer.header("To")
	if answer.code >= 300 {
		_ = s.west.send(c.node, c.request("ACK", uri, 1, "")) // one that gets lost is asked for again
		return nil, fmt.Errorf("call through %s: %w: %d %s %s", node, ErrRefused, answer.code, answer.reason, answer.header("Warning"))
	}
	c.target = strings.Trim(uriOf(answer.header("Contact")), "<>")
	c.Granted = granted(answer.body)
	return c, s.west.send(c.node, c.request("ACK", c.target, 1, ""))
}

// End hangs up, and returns when the node has said so.
func (c *Call) End(ctx context.Context) error {
	answer, err := c.sites.west.ask(ctx, c.node, c.request("BYE", c.target, 2, ""))
	if err != nil {
		return fmt.Errorf("hang up: %w", err)
	}
	if answer.code != 200 && answer.code != 481 { // 481: it has ended
		return fmt.Errorf("hang up: %d %s", answer.code, answer.reason)
	}
	return nil
}

func (c *Call) request(method, uri string, seq int, body string) string {
	// An ACK of a refusal is of the INVITE's transaction (RFC 3261 section 17.1.1.3); one of a 2xx is not, and may
	// have the branch as well as any.
	branch := fmt.Sprintf("z9hG4bK%s-%d", c.id, seq)
	if method == "ACK" && c.target != "" {
		branch += "a"
	}
	kind := ""
	if body != "" {
		kind = "Content-Type: application/sdp\r\n"
	}
	return fmt.Sprintf("%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=%s;rport\r\nMax-Forwards: 70\r\nFrom: <sip:caller@%s>;tag=%s\r\nTo: %s\r\n"+
		"Call-ID: %s\r\nCSeq: %d %s\r\nContact: <sip:caller@%s>\r\n%sContent-Length: %d\r\n\r\n%s",
		method, uri, c.sites.west.at, branch, c.sites.west.at, c.id, c.to, c.id, seq, method, c.sites.west.at, kind, len(body), body)
}

// offer describes what a call asks for.
func offer(at netip.Addr, w Wanted) string {
	b := fmt.Sprintf("v=0\r\no=site 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nb=AS:%d\r\nt=0 0\r\nm=audio 20000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n", at, at, w.Kbps)
	if w.Video {
		b += "m=video 20002 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
	}
	return b
}

// accept answers an offer: every stream is taken as it is.
func accept(at netip.Addr, offer string) string {
	var b strings.Builder
	for line := range strings.SplitSeq(strings.TrimSuffix(offer, "\r\n"), "\r\n") {
		words := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "o="):
			line = fmt.Sprintf("o=site 1 1 IN IP4 %s", at)
		case strings.HasPrefix(line, "c="):
			line = fmt.Sprintf("c=IN IP4 %s", at)
		case strings.HasPrefix(line, "m=") && len(words) > 2 && words[1] != "0":
			words[1] = "20004"
			line = strings.Join(words, " ")
		case strings.HasPrefix(line, "a=rtcp:"):
			continue
		}
		b.WriteString(line + "\r\n")
	}
	return b.String()
}

// granted is what a session is said to get.
func granted(body string) int {
	_, after, found := strings.Cut(body, "b=AS:")
	if !found {
		return 0
	}
	kbps, _, _ := strings.Cut(after, "\r\n")
	n, _ := strconv.Atoi(kbps)
	return n
}

// uriOf is the URI of a Contact.
func uriOf(contact string) string {
	if _, after, found := strings.Cut(contact, "<"); found {
		contact, _, _ = strings.Cut(after, ">")
	}
	return contact
}
