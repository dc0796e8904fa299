// Package peers starts the servers that are measured side by side, of TURN and of SIP,
// each as processes of its own on the node of a lab, all with the same user and realm,
// and watches what they use.
package peers

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/perf/lab"
)

// What every server is configured with.
const (
	User     = "u"
	Password = "p"
	Realm    = "test"
	Port     = 3478

	// FirstRelayPort is where the relays of a node of any size begin.
	FirstRelayPort = 24000
)

// stopTime is how long a server has to end after SIGTERM.
const stopTime = 5 * time.Second

// Server is a running server of TURN, SIP or media.
type Server struct {
	Name string
	PID  int
	// Listen is where its clients send to, one address per family.
	Listen []netip.AddrPort
	// State and Config are a Turnpike node's state directory and file.
	State, Config string

	cpus string // see startOn

	cmd     *exec.Cmd
	exited  chan struct{}
	exitErr error // valid once exited is closed
	log     *os.File
	cleanup []func() error // in reverse order, after its end
}

// Stop ends the server and removes what it left. It may be called again.
func (s *Server) Stop() error {
	if s.cmd != nil {
		s.end(unix.SIGTERM)
		s.cmd = nil
	}
	var errs []error
	for i := len(s.cleanup) - 1; i >= 0; i-- {
		errs = append(errs, s.cleanup[i]())
	}
	s.cleanup = nil
	return errors.Join(errs...)
}

func (s *Server) end(sig unix.Signal) {
	_ = s.cmd.Process.Signal(sig) // fails only when it has ended
	select {
	case <-s.exited:
	case <-time.After(stopTime):
		_ = s.cmd.Process.Kill()
		<-s.exited
	}
}

// start starts a program on the node. Its output goes to a file, as a server that
// logs into a pipe would share its time with us; the end of it is told on failure.
func (s *Server) start(node *lab.Host, program string, args ...string) error {
	log, err := os.CreateTemp("", "bench-"+s.Name+"-*.log")
	if err != nil {
		return err
	}
	s.log = log
	s.cleanup = append(s.cleanup, log.Close, func() error { return os.Remove(log.Name()) })
	cmd := node.Command(context.Background(), program, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", s.Name, err)
	}
	s.cmd, s.PID, s.exited = cmd, cmd.Process.Pid, make(chan struct{})
	go func() {
		s.exitErr = cmd.Wait()
		close(s.exited)
	}()
	return nil
}

// startOn is start with all threads tied to some CPUs from the beginning, so that a
// program that asks how many there are sees only these; empty: any.
func (s *Server) startOn(node *lab.Host, cpus, program string, args ...string) error {
	if cpus == "" {
		return s.start(node, program, args...)
	}
	return s.start(node, "taskset", append([]string{"-c", cpus, program}, args...)...)
}

// failed adds the last of the server's output to an error, and stops it.
func (s *Server) failed(err error) error {
	err = fmt.Errorf("%s: %w%s", s.Name, err, s.tail())
	return errors.Join(err, s.Stop())
}

func (s *Server) tail() string {
	const most = 2000
	if s.log == nil {
		return ""
	}
	info, err := s.log.Stat()
	if err != nil || info.Size() == 0 {
		return ""
	}
	buf := make([]byte, min(info.Size(), most))
	n, _ := s.log.ReadAt(buf, info.Size()-int64(len(buf)))
	return "\n" + string(buf[:n])
}
