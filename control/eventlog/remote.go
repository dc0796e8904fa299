package eventlog

import (
	"context"
	"crypto/tls"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"go.uber.org/zap/zapcore"
)

const (
	// remoteQueue is how many records wait for a server.
	remoteQueue = 2048
	// dialTime and writeTime bound how long one step may take.
	dialTime  = 5 * time.Second
	writeTime = 5 * time.Second
	// retryAfter is the wait after a failure; it doubles up to retryMost.
	retryAfter = time.Second
	retryMost  = time.Minute
	// maxDatagram is what every receiver should take in a datagram (RFC 5424 section 6.1).
	maxDatagram = 2048
)

// remote is one server: a queue, and a goroutine that empties it.
type remote struct {
	server Server
	level  zapcore.Level

	records chan []byte
	ctx     context.Context // ends when what is queued need not be sent any more
	abandon context.CancelFunc
	ending  chan struct{} // closed: send what is queued, then end
	ended   chan struct{}

	sent, lost atomic.Uint64
	failure    atomic.Pointer[string]
}

func newRemote(server Server, level zapcore.Level) *remote {
	r := &remote{
		server: server, level: level,
		records: make(chan []byte, remoteQueue), ending: make(chan struct{}), ended: make(chan struct{}),
	}
	r.ctx, r.abandon = context.WithCancel(context.Background())
	go r.run()
	return r
}

// queue takes one record, or counts it as lost. It never blocks.
func (r *remote) queue(message []byte) {
	select {
	case r.records <- message:
	default:
		r.lost.Add(1)
	}
}

// stop sends for a moment what is queued, and ends the goroutine.
func (r *remote) stop() {
	close(r.ending)
	select {
	case <-r.ended:
	case <-time.After(flushTime):
	}
	r.abandon()
	<-r.ended
}

func (r *remote) status() ServerStatus {
	st := ServerStatus{Address: r.server.Address, Transport: r.server.Transport, Sent: r.sent.Load(), Lost: r.lost.Load()}
	if f := r.failure.Load(); f != nil {
		st.Error = *f
	}
	return st
}

// run sends what comes until the end, and then what is still there.
func (r *remote) run() {
	defer close(r.ended)
	var conn net.Conn
	defer func() { drop(conn) }()
	for {
		select {
		case m := <-r.records:
			conn = r.deliver(conn, m)
		case <-r.ending:
			for r.ctx.Err() == nil {
				select {
				case m := <-r.records:
					conn = r.deliver(conn, m)
				default:
					return
				}
			}
			return
		}
	}
}

// deliver sends one record, over a new connection where need be, over a stream again and
// again until it is sent or nobody wants it any more. It returns the connection to go on with.
func (r *remote) deliver(conn net.Conn, message []byte) net.Conn {
	for wait := retryAfter; ; wait = min(2*wait, retryMost) {
		var err error
		if conn == nil {
			conn, err = r.dial()
		}
		if err == nil {
			if err = r.write(conn, message); err == nil {
				r.sent.Add(1)
				r.failure.Store(nil)
				return conn
			}
			drop(conn)
			conn = nil
		}
		why := err.Error()
		r.failure.Store(&why)
		if r.server.Transport == UDP { // a datagram that is late is worth less than the next
			r.lost.Add(1)
			return nil
		}
		select {
		case <-time.After(wait):
		case <-r.ctx.Done():
			r.lost.Add(1)
			return nil
		}
	}
}

func (r *remote) dial() (net.Conn, error) {
	ctx, cancel := context.WithTimeout(r.ctx, dialTime)
	defer cancel()
	var d net.Dialer
	switch r.server.Transport {
	case UDP:
		return d.DialContext(ctx, "udp", r.server.Address)
	case TLS:
		conn, err := (&tls.Dialer{NetDialer: &d, Config: r.server.TLS}).DialContext(ctx, "tcp", r.server.Address)
		if err != nil {
			return nil, err
		}
		return watched(conn), nil
	default:
		conn, err := d.DialContext(ctx, "tcp", r.server.Address)
		if err != nil {
			return nil, err
		}
		return watched(conn), nil
	}
}

// watched notices that a server closed its side: syslog servers never answer, so
// without it the first record after a restart of the server would be lost.
func watched(conn net.Conn) net.Conn {
	go func() {
		_, _ = conn.Read(make([]byte, 1)) // ends when either side closes
		_ = conn.Close()
	}()
	return conn
}

func (r *remote) write(conn net.Conn, message []byte) error {
	if err := conn.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return err
	}
	if r.server.Transport == UDP {
		_, err := conn.Write(message[:min(len(message), maxDatagram)])
		return err
	}
	framed := append(strconv.AppendInt(nil, int64(len(message)), 10), ' ')
	_, err := conn.Write(append(framed, message...))
	return err
}

func drop(conn net.Conn) {
	if conn != nil {
		_ = conn.Close()
	}
}
