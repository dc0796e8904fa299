package baresip

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// readyTime is how long a phone has until it takes commands.
const readyTime = 10 * time.Second

// Event is something that happened to a phone, or its answer to a command.
type Event struct {
	Event    bool   `json:"event"`
	Type     string `json:"type"` // REGISTER_OK, CALL_ESTABLISHED, CALL_CLOSED, ...
	Param    string `json:"param"`
	Response bool   `json:"response"`
	OK       bool   `json:"ok"`
	Data     string `json:"data"`
	Token    string `json:"token"`
}

// Types of events.
const (
	Registered   = "REGISTER_OK"
	NotTaken     = "REGISTER_FAIL"
	Incoming     = "CALL_INCOMING"
	Established  = "CALL_ESTABLISHED"
	Closed       = "CALL_CLOSED"
	mostEvent    = 1 << 20 // bytes
	keptEvents   = 256
	controlRetry = 20 * time.Millisecond
)

// connect opens the control connection as soon as the phone listens.
func (p *Phone) connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	for retry := time.NewTicker(controlRetry); ; {
		err := p.cfg.Host.Do(func() (err error) {
			p.conn, err = new(net.Dialer).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", p.cfg.Control))
			return err
		})
		if err == nil {
			p.events = make(chan Event, keptEvents)
			go p.read()
			return nil
		}
		p.conn = nil
		select {
		case <-p.exited:
			return errors.New("it ended at once")
		case <-ctx.Done():
			return fmt.Errorf("it takes no commands after %s: %w", readyTime, err)
		case <-retry.C:
		}
	}
}

// read passes events on until the connection is closed. Nobody who waits for one is so
// late that there is no room; then the oldest go.
func (p *Phone) read() {
	defer close(p.events)
	in := bufio.NewReader(p.conn)
	for {
		text, err := netstring(in)
		if err != nil {
			return
		}
		var e Event
		if json.Unmarshal(text, &e) != nil {
			continue
		}
		for sent := false; !sent; {
			select {
			case p.events <- e:
				sent = true
			default:
				<-p.events
			}
		}
	}
}

// netstring reads "LENGTH:BYTES,".
func netstring(in *bufio.Reader) ([]byte, error) {
	head, err := in.ReadString(':')
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(strings.TrimSuffix(head, ":"))
	if err != nil || n < 0 || n > mostEvent {
		return nil, fmt.Errorf("a netstring of %q bytes", head)
	}
	text := make([]byte, n+1) // with the comma
	if _, err := io.ReadFull(in, text); err != nil {
		return nil, err
	}
	return text[:n], nil
}

// Command tells the phone to do something, as one would type it: "dial", "sip:bob@...".
func (p *Phone) Command(command, params string) error {
	text, err := json.Marshal(map[string]string{"command": command, "params": params, "token": command})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(p.conn, "%d:%s,", len(text), text); err != nil {
		return fmt.Errorf("tell %s to %s: %w", p.cfg.Name, command, err)
	}
	return nil
}

// Await returns the next event of a type. One that says that this will not come is an
// error.
func (p *Phone) Await(ctx context.Context, kind string) (Event, error) {
	for {
		select {
		case e, open := <-p.events:
			switch {
			case !open:
				return e, fmt.Errorf("%s ended while it was to say %s%s", p.cfg.Name, kind, p.tail())
			case e.Type == kind:
				return e, nil
			case e.Type == NotTaken && kind == Registered, e.Type == Closed && kind == Established:
				return e, fmt.Errorf("%s: %s %s, want %s%s", p.cfg.Name, e.Type, e.Param, kind, p.tail())
			}
		case <-ctx.Done():
			return Event{}, fmt.Errorf("%s did not say %s: %w%s", p.cfg.Name, kind, context.Cause(ctx), p.tail())
		}
	}
}
