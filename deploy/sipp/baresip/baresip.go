// Package baresip drives baresip, a real phone without a screen: it writes its folder of
// configuration, starts it in a namespace, and tells it what to do over its TCP control
// module. A tone is its microphone and nothing its loudspeaker.
package baresip

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/perf/lab"
)

// Program is baresip's name; the Debian package is baresip-core.
const Program = "baresip"

// ErrMissing says that baresip is not installed.
var ErrMissing = errors.New("baresip is not installed: run `make deps`, or apt-get install baresip-core")

// Config is one phone with one account.
type Config struct {
	// Host is the namespace it runs in.
	Host           *lab.Host
	Name, Password string
	Domain         string
	Transport      string         // udp, tcp or tls
	Local          netip.AddrPort // of SIP; TLS is at the next port
	Server         netip.AddrPort
	Control        uint16 // port on loopback of the namespace
	FirstMedia     uint16 // RTP ports begin here; 0: 10000
}

// Phone is a baresip that runs. Close it.
type Phone struct {
	cfg    Config
	dir    string
	cmd    *exec.Cmd
	exited chan struct{}
	said   *os.File
	conn   net.Conn
	events chan Event
}

// Start starts a phone and returns when it takes commands. It registers by itself: Await
// Registered.
func Start(ctx context.Context, cfg Config) (*Phone, error) {
	if _, err := exec.LookPath(Program); err != nil {
		return nil, ErrMissing
	}
	dir, err := os.MkdirTemp("", "baresip-")
	if err != nil {
		return nil, err
	}
	p := &Phone{cfg: cfg, dir: dir, exited: make(chan struct{})}
	if err := p.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s of %s: %w%s", Program, cfg.Name, err, p.tail()), p.Close())
	}
	return p, nil
}

func (p *Phone) start(ctx context.Context) error {
	if err := errors.Join(p.write("config", p.cfg.config()), p.write("accounts", ""), p.write("contacts", "")); err != nil {
		return err
	}
	var err error
	if p.said, err = os.Create(filepath.Join(p.dir, "said")); err != nil {
		return err
	}
	p.cmd = p.cfg.Host.Command(context.Background(), Program, "-f", p.dir)
	p.cmd.Stdout, p.cmd.Stderr = p.said, p.said
	p.cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is in what it said
		close(p.exited)
	}()
	if err := p.connect(ctx); err != nil {
		return err
	}
	// Only now, so that nothing is missed of what becomes of the account.
	return p.Command("uanew", p.cfg.account())
}

func (p *Phone) write(name, text string) error {
	return os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600)
}

// config is baresip's file of settings.
func (c Config) config() string {
	media := c.FirstMedia
	if media == 0 {
		media = 10000
	}
	return strings.Join([]string{
		"poll_method epoll",
		"sip_listen " + c.Local.String(),
		"call_max_calls 2",
		"audio_player aubridge,nowhere",
		"audio_source ausine,440",
		"audio_alert aubridge,bell",
		"ausrc_srate 48000", "auplay_srate 48000", "ausrc_channels 2", "auplay_channels 2", // the tone has no other form
		fmt.Sprintf("rtp_ports %d-%d", media, media+200),
		"rtp_stats yes",
		fmt.Sprintf("ctrl_tcp_listen 127.0.0.1:%d", c.Control),
		"module_path /usr/lib/baresip/modules",
		"module g711.so", "module ausine.so", "module aubridge.so",
		"module_tmp uuid.so", "module_tmp account.so",
		"module_app menu.so", "module_app ctrl_tcp.so",
		"",
	}, "\n")
}

// account is the line of its account. The node is the outbound proxy, as the domain need
// not be in DNS.
func (c Config) account() string {
	return fmt.Sprintf("<sip:%s@%s;transport=%s>;auth_user=%s;auth_pass=%s;outbound=\"sip:%s;transport=%s\";regint=120;audio_codecs=PCMU",
		c.Name, c.Domain, c.Transport, c.Name, c.Password, c.Server, c.Transport)
}

// Close ends the phone: it unregisters when it has time to.
func (p *Phone) Close() error {
	if p.conn != nil {
		_ = p.conn.Close()
		for range p.events { // until its reader has ended
		}
	}
	if p.cmd != nil && p.cmd.Process != nil {
		_ = p.cmd.Process.Signal(unix.SIGTERM)
		select {
		case <-p.exited:
		case <-time.After(3 * time.Second):
			_ = p.cmd.Process.Kill()
			<-p.exited
		}
	}
	var err error
	if p.said != nil {
		err = p.said.Close()
	}
	return errors.Join(err, os.RemoveAll(p.dir))
}

// tail is the last of what it printed.
func (p *Phone) tail() string {
	const most = 1500
	text, err := os.ReadFile(filepath.Join(p.dir, "said"))
	if err != nil || len(text) == 0 {
		return ""
	}
	return "\n" + string(text[max(0, len(text)-most):])
}
