// Package runner starts SIPp in a namespace, bounded in calls and time, and reads what it
// counted. It exists because SIPp by itself gives little to hold on to: it has no sign
// of readiness, tells the reasons of failed calls in files in its working directory,
// and goes on for ever when it is not told otherwise.
package runner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/deploy/sipp"
	"turnpike.dev/turnpike/perf/lab"
)

// Program is SIPp's name; the Debian package is sip-tester.
const Program = "sipp"

// ErrMissing says that SIPp is not installed.
var ErrMissing = errors.New("sipp is not installed: run `make deps`, or apt-get install sip-tester")

// Config is one SIPp process.
type Config struct {
	// Host is the namespace it runs in.
	Host *lab.Host
	// Scenario is one of sipp.Scenarios, or Text its text.
	Scenario string
	Text     []byte
	// Local is where it sends from and listens; Media an address for RTP, the same when
	// invalid.
	Local netip.AddrPort
	Media netip.Addr
	// MediaPort is the port that an answering side echoes RTP at, and the next but one
	// for video. 0: it echoes nothing.
	MediaPort uint16
	// Target is where requests go; invalid: an answering side.
	Target netip.AddrPort
	// TCP: all calls over one connection. An answering side takes connections.
	TCP bool
	// Service is the user part of the address that is called.
	Service string
	// Domain is the rest of it; empty: the target's address and port.
	Domain string
	// Calls in all, and how many begin per second (0: ten).
	Calls int
	Rate  float64
	// Hold is how long a scenario's <pause/> lasts.
	Hold time.Duration
	// Timeout is how long the process may live (0: a minute).
	Timeout time.Duration
	// Users are the lines of an injection file, for [field0] and so on.
	Users []string
	// User and Password answer a challenge.
	User, Password string
	// Replace are words of the scenario, in capitals there, where SIPp takes a number only.
	Replace map[string]string
	// Pcap are packets for scenarios that play "video.pcap".
	Pcap []byte
	// CPUs that it is tied to, as taskset takes them; empty: any.
	CPUs string
	// More arguments.
	More []string
}

// Process is a SIPp that runs. Wait for it, or Stop it, and Close it.
type Process struct {
	cfg    Config
	dir    string
	cmd    *exec.Cmd
	exited chan struct{}
	err    error // valid once exited is closed
	ended  bool  // by Stop
}

// Start starts SIPp. An answering side listens when it returns.
func Start(ctx context.Context, cfg Config) (*Process, error) {
	if _, err := exec.LookPath(Program); err != nil {
		return nil, ErrMissing
	}
	dir, err := os.MkdirTemp("", "sipp-")
	if err != nil {
		return nil, err
	}
	p := &Process{cfg: cfg, dir: dir, exited: make(chan struct{})}
	if err := p.start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := p.awaitListening(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("%w%s", err, p.said()), p.Close())
	}
	return p, nil
}

// Run starts SIPp and returns what it counted when it has ended.
func Run(ctx context.Context, cfg Config) (Result, error) {
	p, err := Start(ctx, cfg)
	if err != nil {
		return Result{}, err
	}
	r, err := p.Wait(ctx)
	return r, errors.Join(err, p.Close())
}

func (p *Process) start() error {
	text := p.cfg.Text
	if text == nil {
		var err error
		if text, err = sipp.Scenario(p.cfg.Scenario); err != nil {
			return err
		}
	}
	for word, value := range p.cfg.Replace {
		text = bytes.ReplaceAll(text, []byte(word), []byte(value))
	}
	if err := p.writeFiles(text); err != nil {
		return err
	}
	said, err := os.Create(p.file("said"))
	if err != nil {
		return err
	}
	defer said.Close() //nolint:errcheck // the process has its own
	program, args := Program, p.arguments()
	if p.cfg.CPUs != "" {
		program, args = "taskset", append([]string{"-c", p.cfg.CPUs, Program}, args...)
	}
	p.cmd = p.cfg.Host.Command(context.Background(), program, args...)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = p.dir, said, said
	p.cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", Program, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	return nil
}

func (p *Process) file(name string) string { return filepath.Join(p.dir, name) }

// arguments are SIPp's. Statistics come once a second and at the end.
func (p *Process) arguments() []string {
	c := p.cfg
	media := c.Media
	if !media.IsValid() {
		media = c.Local.Addr()
	}
	args := []string{
		"-sf", "scenario.xml", "-i", c.Local.Addr().String(), "-p", strconv.Itoa(int(c.Local.Port())),
		"-mi", media.String(), "-m", strconv.Itoa(c.Calls), "-d", strconv.FormatInt(c.Hold.Milliseconds(), 10),
		"-nostdin", "-timeout", strconv.Itoa(int(p.lifetime().Seconds())), "-timeout_error",
		"-trace_err", "-error_file", "errors", "-trace_stat", "-stf", "stat.csv", "-fd", "1",
		"-trace_logs", "-log_file", "log", "-buff_size", "4194304", "-max_retrans", "11",
		// A machine that is busy with tests is no reason to give up.
		"-watchdog_minor_maxtriggers", "100000", "-watchdog_major_maxtriggers", "100000",
	}
	if c.TCP {
		args = append(args, "-t", "t1")
	}
	if c.MediaPort != 0 {
		args = append(args, "-rtp_echo", "-mp", strconv.Itoa(int(c.MediaPort)))
	}
	args = append(args, p.calling()...)
	return append(args, c.More...)
}

// calling are the arguments of a side that begins calls.
func (p *Process) calling() []string {
	c := p.cfg
	var args []string
	if len(c.Users) > 0 {
		args = append(args, "-inf", "users.csv")
	}
	if c.User != "" {
		args = append(args, "-au", c.User, "-ap", c.Password)
	}
	if c.Service != "" {
		args = append(args, "-s", c.Service)
	}
	if !c.Target.IsValid() {
		return args
	}
	domain := c.Domain
	if domain == "" {
		domain = c.Target.String()
	}
	args = append(args, "-key", "domain", domain)
	rate := c.Rate
	if rate == 0 {
		rate = 10
	}
	return append(args, "-l", strconv.Itoa(max(c.Calls, 1)), "-r", strconv.FormatFloat(rate, 'f', -1, 64), c.Target.String())
}

func (p *Process) lifetime() time.Duration {
	if p.cfg.Timeout == 0 {
		return time.Minute
	}
	return p.cfg.Timeout
}

// PID is the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Wait returns what SIPp counted once it has ended. The error says what went wrong with
// the first calls that failed.
func (p *Process) Wait(ctx context.Context) (Result, error) {
	patience := time.NewTimer(p.lifetime() + 10*time.Second)
	defer patience.Stop()
	select {
	case <-p.exited:
	case <-ctx.Done():
		return Result{}, context.Cause(ctx)
	case <-patience.C:
		return Result{}, fmt.Errorf("%s goes on after its time", p.name())
	}
	return p.result()
}

func (p *Process) name() string {
	if p.cfg.Scenario != "" {
		return "sipp " + p.cfg.Scenario
	}
	return "sipp"
}

// Stop ends SIPp at once: an answering side that has not seen all its calls. Then Wait
// returns what it counted until then.
func (p *Process) Stop() {
	p.ended = true
	_ = p.cmd.Process.Signal(unix.SIGTERM) // fails when it has ended
	select {
	case <-p.exited:
	case <-time.After(2 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
}

// Close ends SIPp and removes its files.
func (p *Process) Close() error {
	if p.cmd != nil && p.cmd.Process != nil {
		p.Stop()
	}
	return os.RemoveAll(p.dir)
}

// Log is what the scenario's log actions wrote, a line each.
func (p *Process) Log() (string, error) {
	text, err := os.ReadFile(p.file("log"))
	return string(text), err
}
