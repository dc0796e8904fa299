package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/calls"
	"turnpike.dev/turnpike/control/routing"
	"turnpike.dev/turnpike/perf/lab"
)

// stagePeer is a node of a demo of a cluster: its process comes and goes.
type stagePeer struct {
	host  *lab.Host
	self  string // the program
	state string
	api   *api.Client

	child *exec.Cmd // nil: it does not run
	ended chan struct{}
	said  strings.Builder
}

func newStagePeer(host *lab.Host, self, state string) *stagePeer {
	return &stagePeer{host: host, self: self, state: state, api: api.NewClient(state)}
}

func (p *stagePeer) write(file string) error {
	if err := os.MkdirAll(p.state, 0o750); err != nil {
		return fmt.Errorf("make the state directory: %w", err)
	}
	return os.WriteFile(p.file(), []byte(file), 0o600)
}

// file is beside the state directory, which must be empty at the end.
func (p *stagePeer) file() string {
	return filepath.Join(filepath.Dir(p.state), filepath.Base(p.state)+".yaml")
}

func (p *stagePeer) runs() bool { return p.child != nil }

// start starts the process and returns when the node is ready.
func (p *stagePeer) start(ctx context.Context) error {
	p.said.Reset()
	p.child = p.host.Command(context.Background(), p.self, "serve", "-c", p.file())
	p.child.Stderr = &p.said
	p.child.SysProcAttr = &unix.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL}
	if err := p.child.Start(); err != nil {
		return err
	}
	child, ended := p.child, make(chan struct{})
	p.ended = ended
	go func() {
		_ = child.Wait() // said tells why
		close(ended)
	}()
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("a minute is over"))
	defer cancel()
	go func() {
		select {
		case <-ended:
			cancel()
		case <-ctx.Done():
		}
	}()
	_, err := p.api.WaitReady(ctx)
	select {
	case <-ended:
		return fmt.Errorf("the node ended at its start: %s", strings.TrimSpace(p.said.String()))
	default:
		return err
	}
}

// kill ends the process without a word.
func (p *stagePeer) kill() {
	_ = p.child.Process.Kill()
	<-p.ended
	p.child = nil
}

// finds reports whether the node would send a call to an alias anywhere.
func (p *stagePeer) finds(ctx context.Context, alias string) (bool, error) {
	a, err := p.api.Locate(ctx, routing.Question{Alias: alias, HopCount: 15, Authenticated: true})
	return err == nil && a.Found, err
}

// lastCall is the call that ended last: it is told a moment after the phones know.
func (p *stagePeer) lastCall(ctx context.Context) ([]calls.Call, error) {
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		all, err := p.api.Calls(ctx, true)
		if err != nil {
			return nil, err
		}
		for _, c := range all {
			if !c.Ended.IsZero() {
				return []calls.Call{c}, nil
			}
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-look.C:
		}
	}
}

// close ends the process and removes what it left.
func (p *stagePeer) close() error {
	if p.child != nil {
		_ = p.child.Process.Signal(unix.SIGTERM)
		select {
		case <-p.ended:
		case <-time.After(10 * time.Second):
			p.kill()
		}
	}
	return errors.Join(os.RemoveAll(p.file()), removeState(p.state))
}
