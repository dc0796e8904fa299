package agent

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/perf/lab"
)

// Command is the argument on which a test program should call Main.
const Command = "sip-agent"

// Main is an agent's process. What it does comes as arguments, what became of it goes out
// as lines of JSON.
func Main(ctx context.Context, args []string, out io.Writer) error {
	var o Options
	var local, server string
	f := flag.NewFlagSet(Command, flag.ContinueOnError)
	f.StringVar(&o.Name, "name", "", "user `name`")
	f.StringVar(&o.Password, "password", "", "its password")
	f.StringVar(&o.Domain, "domain", "", "its domain")
	f.StringVar(&o.Transport, "transport", "udp", "udp, tcp or tls")
	f.StringVar(&local, "local", "", "own `address` and port")
	f.StringVar(&server, "server", "", "`address` and port of the node")
	f.BoolVar(&o.Register, "register", false, "register first")
	f.StringVar(&o.Call, "call", "", "`whom` to call")
	f.DurationVar(&o.Talk, "talk", time.Second, "how long to send")
	f.DurationVar(&o.Wait, "wait", 30*time.Second, "how long to wait for a call")
	if err := f.Parse(args); err != nil {
		return err
	}
	var errs [2]error
	o.Local, errs[0] = netip.ParseAddrPort(local)
	o.Server, errs[1] = netip.ParseAddrPort(server)
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	lines := json.NewEncoder(out)
	tell := func(r Report) { _ = lines.Encode(r) } // whoever reads is gone
	p, err := newPhone(o, tell)
	if err == nil {
		err = p.run(ctx)
	}
	if err != nil {
		tell(Report{Step: "failed", Error: err.Error()})
	}
	return err
}

func (o Options) arguments() []string {
	args := []string{
		Command, "-name", o.Name, "-password", o.Password, "-domain", o.Domain, "-transport", o.Transport,
		"-local", o.Local.String(), "-server", o.Server.String(), "-call", o.Call, "-talk", o.Talk.String(),
	}
	if o.Register {
		args = append(args, "-register")
	}
	if o.Wait > 0 {
		args = append(args, "-wait", o.Wait.String())
	}
	return args
}

// Process is an agent that runs in a namespace.
type Process struct {
	cmd   *exec.Cmd
	lines chan Report
	errs  strings.Builder
}

// Start runs this program as an agent in a namespace. Close it.
func Start(h *lab.Host, o Options) (*Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &Process{cmd: h.Command(context.Background(), self, o.arguments()...), lines: make(chan Report, 8)}
	p.cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	p.cmd.Stderr = &p.errs
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the agent %s: %w", o.Name, err)
	}
	go func() {
		defer close(p.lines)
		for in := bufio.NewScanner(out); in.Scan(); {
			var r Report
			if json.Unmarshal(in.Bytes(), &r) == nil {
				p.lines <- r
			}
		}
	}()
	return p, nil
}

// Next is the next step that the agent took. One that failed is an error.
func (p *Process) Next(ctx context.Context) (Report, error) {
	select {
	case r, open := <-p.lines:
		if !open {
			return r, errors.New("the agent ended")
		}
		if r.Step == "failed" {
			return r, errors.New(r.Error)
		}
		return r, nil
	case <-ctx.Done():
		return Report{}, context.Cause(ctx)
	}
}

// Close ends the process.
func (p *Process) Close() {
	_ = p.cmd.Process.Kill() // it may have ended
	for range p.lines {      // the reader must be done before Wait closes the pipe
	}
	_ = p.cmd.Wait()
}
