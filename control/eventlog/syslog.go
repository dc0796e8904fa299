package eventlog

import (
	"crypto/tls"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"go.uber.org/zap/zapcore"
)

// Transport is how records travel to a syslog server.
type Transport string

// The transports: datagrams (RFC 5426), a stream with counted octets (RFC 6587
// section 3.4.1), the same over TLS (RFC 5425).
const (
	UDP Transport = "udp"
	TCP Transport = "tcp"
	TLS Transport = "tls"
)

// MaxServers is how many servers a node sends to (facts A9).
const MaxServers = 4

// Server is a remote syslog server (AL-02).
type Server struct {
	Address   string // host:port
	Transport Transport
	Level     string      // least severe level that is sent; empty: all that is written
	TLS       *tls.Config // for TLS: whom to trust; nil: the system's authorities
}

// Syslog sends records to servers as RFC 5424 messages. A server that is slow or away
// costs its own records only: they wait in a bounded queue, and what does not fit is
// counted.
type Syslog struct {
	host string
	pid  string

	mu      sync.Mutex
	servers atomic.Pointer[[]*remote]
	closed  bool
}

// NewSyslog returns one without servers. host is the node's name as servers shall
// file it.
func NewSyslog(host string) *Syslog {
	s := &Syslog{host: headerField(host, 255), pid: strconv.Itoa(os.Getpid())}
	s.servers.Store(&[]*remote{})
	return s
}

// SetServers replaces the servers. One that stays keeps its connection and its queue.
func (s *Syslog) SetServers(servers []Server) error {
	if len(servers) > MaxServers {
		return fmt.Errorf("a node has %d syslog servers at most, not %d", MaxServers, len(servers))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	before := slices.Clone(*s.servers.Load())
	after := make([]*remote, 0, len(servers))
	for _, server := range servers {
		level, err := serverLevel(server)
		if err != nil {
			stopAll(without(after, *s.servers.Load()))
			return err
		}
		at := slices.IndexFunc(before, func(r *remote) bool { return r.server == server })
		if at < 0 {
			after = append(after, newRemote(server, level))
			continue
		}
		after = append(after, before[at])
		before = slices.Delete(before, at, at+1)
	}
	s.servers.Store(&after)
	stopAll(before)
	return nil
}

func serverLevel(server Server) (zapcore.Level, error) {
	switch server.Transport {
	case UDP, TCP, TLS:
	default:
		return 0, fmt.Errorf("syslog server %s: no such transport as %q: want udp, tcp or tls", server.Address, server.Transport)
	}
	if server.Level == "" {
		return zapcore.DebugLevel, nil
	}
	level, err := parseLevel(server.Level)
	if err != nil {
		return 0, fmt.Errorf("syslog server %s: %w", server.Address, err)
	}
	return level, nil
}

// without returns those of some that are not among others.
func without(some, others []*remote) []*remote {
	return slices.DeleteFunc(slices.Clone(some), func(r *remote) bool { return slices.Contains(others, r) })
}

func stopAll(remotes []*remote) {
	for _, r := range remotes {
		r.stop()
	}
}

// Close sends for a moment what is queued, and stops.
func (s *Syslog) Close() {
	s.mu.Lock()
	s.closed = true
	remotes := *s.servers.Swap(&[]*remote{})
	s.mu.Unlock()
	stopAll(remotes)
}

// ServerStatus is how a syslog server gets its records.
type ServerStatus struct {
	Address   string    `json:"address"`
	Transport Transport `json:"transport"`
	Sent      uint64    `json:"sent"`
	Lost      uint64    `json:"lost"`
	Error     string    `json:"error,omitempty"` // why the last record did not go out
}

// Status tells of each server, in the order they were set in.
func (s *Syslog) Status() []ServerStatus {
	remotes := *s.servers.Load()
	all := make([]ServerStatus, len(remotes))
	for i, r := range remotes {
		all[i] = r.status()
	}
	return all
}

// send hands one record to each server that wants its level.
func (s *Syslog) send(e zapcore.Entry, record []byte) {
	if s == nil {
		return
	}
	var message []byte
	for _, r := range *s.servers.Load() {
		if e.Level < r.level {
			continue
		}
		if message == nil {
			message = s.message(e, record)
		}
		r.queue(message)
	}
}

// local0 is the facility (RFC 5424 section 6.2.1).
const local0 = 16

// message makes an RFC 5424 message of a record. The record is the message's text: it has
// its own key="value" form, so there is no structured data.
func (s *Syslog) message(e zapcore.Entry, record []byte) []byte {
	m := make([]byte, 0, len(record)+128)
	m = fmt.Appendf(m, "<%d>1 ", local0*8+severity(e.Level))
	m = e.Time.UTC().AppendFormat(m, "2006-01-02T15:04:05.000000Z")
	m = fmt.Appendf(m, " %s turnpike %s %s - ", s.host, s.pid, headerField(e.Message, 32))
	return append(m, record...)
}

// severity is the numerical code of RFC 5424 section 6.2.1.
func severity(l zapcore.Level) int {
	switch {
	case l <= zapcore.DebugLevel:
		return 7
	case l == zapcore.InfoLevel:
		return 6
	case l == zapcore.WarnLevel:
		return 4
	default:
		return 3
	}
}

// headerField makes text one field of a header: printable ASCII without spaces, "-" when
// there is none (RFC 5424 section 6).
func headerField(text string, most int) string {
	field := strings.Map(func(r rune) rune {
		if r > ' ' && r < 0x7f {
			return r
		}
		return '_'
	}, text)
	if field == "" {
		return "-"
	}
	return field[:min(len(field), most)]
}
