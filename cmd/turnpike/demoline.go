package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/deploy/sipp/pace"
	"turnpike.dev/turnpike/deploy/sipp/runner"
)

const (
	// demoVideo is the port of video in the scenarios "asking-…".
	demoVideo = 7002
	// demoEmptying is how long a cheat lasts before it is measured: a bucket that was full
	// is empty by then. demoMeasured is how long it is measured.
	demoEmptying = 3 * time.Second
	demoMeasured = 5 * time.Second
	// demoBack is the SSRC of the callee of call 0; that of a caller is the call's number.
	demoBack = 1000
)

// filledLine is a line with calls on it: SIPp's two ends, and those of media.
type filledLine struct {
	*stage
	caller, callee *runner.Process
	near, far      *pace.End
	calls          []lineCall
}

// lineCall is a call that was answered, with media both ways.
type lineCall struct {
	number   int
	kbps     int // that the callee was told
	up, down *pace.Stream
}

// fill calls until the line is full and one call more was refused.
func (s *stage) fill(ctx context.Context) (l *filledLine, err error) {
	l = &filledLine{stage: s}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close())
		}
	}()
	if l.callee, err = runner.Start(ctx, runner.Config{
		Host: s.lab.Peer, Scenario: "asking-callee", Local: netip.AddrPortFrom(s.lab.PeerAddrs.V4[0], demoCallee),
		Calls: demoAskers, Timeout: 2 * time.Minute, Users: []string{fmt.Sprintf("b=AS:%d;%d", demoAsks, demoVideo)},
	}); err != nil {
		return l, err
	}
	if l.caller, err = runner.Start(ctx, runner.Config{
		Host: s.lab.Client, Scenario: "asking-caller", Local: netip.AddrPortFrom(s.lab.ClientAddrs.V4[0], demoCaller),
		Target: netip.AddrPortFrom(s.nodeAddr("s0"), demoSIP), Service: "desk", Calls: demoAskers, Rate: 4,
		Timeout: 2 * time.Minute, Users: []string{fmt.Sprintf("b=AS:%d;%d", demoAsks, demoVideo)},
	}); err != nil {
		return l, err
	}
	if l.near, err = pace.Open(s.lab.Client, netip.AddrPortFrom(s.lab.ClientAddrs.V4[0], demoVideo)); err != nil {
		return l, err
	}
	l.far, err = pace.Open(s.lab.Peer, netip.AddrPortFrom(s.lab.PeerAddrs.V4[0], demoVideo))
	return l, err
}

// close ends what was started; its calls end with it.
func (l *filledLine) close() error {
	var errs []error
	for _, e := range []*pace.End{l.near, l.far} {
		if e != nil {
			errs = append(errs, e.Close())
		}
	}
	for _, p := range []*runner.Process{l.caller, l.callee} {
		if p != nil {
			errs = append(errs, p.Close())
		}
	}
	return errors.Join(errs...)
}

// decided waits until each call was answered or refused, and returns what came of them.
func (l *filledLine) decided(ctx context.Context) (askers []demoAsker, err error) {
	callers, callees := map[int]runner.Told{}, map[int]runner.Told{}
	err = poll(ctx, func() error {
		err := errors.Join(collect(l.caller, callers), collect(l.callee, callees))
		if err == nil && len(callers) < demoAskers {
			err = fmt.Errorf("%d of %d calls are decided", len(callers), demoAskers)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	for number := 1; number <= demoAskers; number++ {
		near, far := callers[number], callees[number]
		a := demoAsker{Call: number, AskedKbps: demoAsks, Status: near.Status, RetryAfter: near.RetryAfter, Warning: near.Warning}
		if near.Status == 0 {
			a.ToldKbps, _ = far.Kbps()
			a.Cheats = number == demoCheat
			l.calls = append(l.calls, lineCall{
				number: number, kbps: a.ToldKbps,
				up: l.near.Send(uint32(number), near.Video, a.ToldKbps), down: l.far.Send(uint32(demoBack+number), far.Video, a.ToldKbps),
			})
		}
		askers = append(askers, a)
	}
	return askers, nil
}

// collect reads what calls of an end were told.
func collect(p *runner.Process, into map[int]runner.Told) error {
	all, err := p.Told()
	for _, t := range all {
		into[t.Call] = t
	}
	return err
}

// talk lets all calls send what they were granted, one of them more, and measures.
func (l *filledLine) talk(ctx context.Context, r *bandwidthReport) (err error) {
	if r.Calls, err = l.decided(ctx); err != nil {
		return err
	}
	if err := poll(ctx, l.heard); err != nil {
		return err
	}
	for _, c := range l.calls {
		if c.number == demoCheat {
			c.up.SetKbps(demoOver * c.kbps)
		}
	}
	if err := pause(ctx, demoEmptying); err != nil {
		return err
	}
	began, before := time.Now(), l.counts()
	if err := pause(ctx, demoMeasured); err != nil {
		return err
	}
	lasted, after := time.Since(began), l.counts()
	if err := l.asTold(ctx, r); err != nil {
		return err
	}
	for number, c := range after {
		a := &r.Calls[number-1]
		a.SentKbps = payloadKbps(c.sent.Bytes-before[number].sent.Bytes, lasted)
		a.CameKbps = payloadKbps(c.came.Bytes-before[number].came.Bytes, lasted)
	}
	l.silence(ctx, r)
	return nil
}

// heard complains while media of a call has not come both ways.
func (l *filledLine) heard() error {
	for _, c := range l.calls {
		if l.far.Got(uint32(c.number)).Packets == 0 || l.near.Got(uint32(demoBack+c.number)).Packets == 0 {
			return fmt.Errorf("call %d has no media both ways", c.number)
		}
	}
	return nil
}

// upward is what a caller sent and what of it came to the callee.
type upward struct{ sent, came pace.Count }

// counts are those of each call.
func (l *filledLine) counts() map[int]upward {
	all := map[int]upward{}
	for _, c := range l.calls {
		all[c.number] = upward{c.up.Sent(), l.far.Got(uint32(c.number))}
	}
	return all
}

// asTold notes what the node says of the line and of the streams on it.
func (l *filledLine) asTold(ctx context.Context, r *bandwidthReport) error {
	// What calls send is measured every few seconds, on a busy machine later.
	patience, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	_ = poll(patience, func() (err error) { // what is wrong with the line is in the report
		if r.Line, err = l.use(ctx); err == nil && !r.Line.full() {
			err = fmt.Errorf("the line is not full: %+v", r.Line)
		}
		return err
	})
	running, err := l.api.Calls(ctx, false)
	for _, c := range running {
		for _, s := range c.Streams {
			if s.Path != string(relay.PathXDP) {
				r.OffXDP = append(r.OffXDP, fmt.Sprintf("%s of call %s: path=%s (%s)", s.Kind, c.Serial, s.Path, s.Reason))
			}
		}
	}
	return err
}

// use is how much of the line the node says that calls use.
func (l *filledLine) use(ctx context.Context) (u demoUse, err error) {
	report, err := l.api.Bandwidth(ctx, "pipe")
	for _, o := range report.Objects {
		if o.Name == demoPipe && o.TotalKbps != nil {
			u = demoUse{Calls: o.Calls, Granted: o.GrantedKbps, Measured: o.MeasuredKbps, Limit: *o.TotalKbps}
		}
	}
	return u, err
}

// silence ends all media, and counts it from its first packet to its last.
func (l *filledLine) silence(ctx context.Context, r *bandwidthReport) {
	for _, c := range l.calls {
		c.down.Stop()
		r.Calls[c.number-1].Sent = c.up.Stop().Packets
	}
	// What is on its way arrives. What is missing then is missing in the report.
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	_ = poll(ctx, func() (missing error) {
		for _, c := range l.calls {
			a := &r.Calls[c.number-1]
			if a.Came = l.far.Got(uint32(c.number)).Packets; a.Came != a.Sent {
				missing = errors.New("something is missing")
			}
		}
		return missing
	})
}

// hangUp has the node end all calls, and keeps what it says of them.
func (l *filledLine) hangUp(ctx context.Context, r *bandwidthReport) error {
	running, err := l.api.Calls(ctx, false)
	if err != nil {
		return err
	}
	for _, c := range running {
		if err := l.api.Disconnect(ctx, c.Serial); err != nil {
			return err
		}
	}
	_, err = l.caller.Wait(ctx)
	return err
}

func payloadKbps(bytes uint64, d time.Duration) float64 {
	return float64(bytes) * 8 / 1000 / d.Seconds()
}

// poll repeats check until it has no complaint, or returns the last one.
func poll(ctx context.Context, check func() error) error {
	for {
		err := check()
		if err == nil {
			return nil
		}
		if over := pause(ctx, 20*time.Millisecond); over != nil {
			return fmt.Errorf("%w: %w", over, err)
		}
	}
}

// pause lets some time pass.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
