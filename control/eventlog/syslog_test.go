package eventlog

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap/zapcore"
	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/perf/lab/labtest"
)

func newSyslog(t *testing.T, servers ...Server) *Syslog {
	t.Helper()
	s := NewSyslog("tp1.example.org")
	t.Cleanup(s.Close)
	if err := s.SetServers(servers); err != nil {
		t.Fatal(err)
	}
	return s
}

var rfc5424 = regexp.MustCompile(`^<(\d+)>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z tp1\.example\.org turnpike \d+ (\S+) - (UTCTime=.*)$`)

// AL-02
func TestRecordsReachASyslogServerOverUDP(t *testing.T) {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	l, _ := newLog(t, Config{Level: "debug", Syslog: newSyslog(t, Server{Address: server.LocalAddr().String(), Transport: UDP, Level: "warn"})})
	l.Module("m").Event("not sent")
	l.Module("m").Warn("Relay Refused by somebody with a long name", "User", "a\nb")
	l.Module("m").Error("x", "Detail", strings.Repeat("y", 1000), "A", strings.Repeat("y", 1000), "B", strings.Repeat("y", 1000))

	b := make([]byte, 64<<10)
	_ = server.SetReadDeadline(time.Now().Add(5 * time.Second))
	n, _, err := server.ReadFrom(b)
	if err != nil {
		t.Fatal(err)
	}
	m := rfc5424.FindStringSubmatch(string(b[:n]))
	if m == nil || m[1] != "132" || m[2] != "Relay_Refused_by_somebody_with_a" || !strings.Contains(m[3], `User="a\nb"`) {
		t.Errorf("got %q", b[:n])
	}
	if n, _, err = server.ReadFrom(b); err != nil || n != maxDatagram {
		t.Errorf("a long record came as %d bytes (%v)", n, err)
	}
}

// frames reads messages with counted octets until the connection ends.
func frames(conn net.Conn, found chan<- string) {
	r := bufio.NewReader(conn)
	for {
		count, err := r.ReadString(' ')
		if err != nil {
			return
		}
		n, err := strconv.Atoi(strings.TrimSpace(count))
		if err != nil {
			found <- "not a count: " + count
			return
		}
		message := make([]byte, n)
		if _, err := io.ReadFull(r, message); err != nil {
			return
		}
		found <- string(message)
	}
}

func TestStreamIsTakenUpAgainAfterTheServerRestarts(t *testing.T) {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := server.Addr().String()
	s := newSyslog(t, Server{Address: at, Transport: TCP})
	l, _ := newLog(t, Config{Syslog: s})
	found := make(chan string, 10)
	accept := func() net.Conn {
		conn, err := server.Accept()
		if err != nil {
			t.Fatal(err)
		}
		go frames(conn, found)
		return conn
	}
	l.Event("one")
	first := accept()
	expect(t, found, "one")

	_ = first.Close()
	_ = server.Close()
	for i := range 5 {
		l.Event(fmt.Sprint("while it is away ", i))
	}
	if server, err = net.Listen("tcp", at); err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	second := accept()
	defer second.Close()
	// One record may be lost in the moment of closing (RFC 5425 section 8.4 has no answers); none that came later.
	last := expect(t, found, "while it is away 4")
	if !strings.Contains(last, "tp1.example.org") {
		t.Errorf("got %q", last)
	}
}

// expect waits for the message of an event, and takes those before it.
func expect(t *testing.T, found <-chan string, event string) string {
	t.Helper()
	end := time.After(20 * time.Second)
	for {
		select {
		case m := <-found:
			if strings.Contains(m, `Event="`+event+`"`) {
				return m
			}
		case <-end:
			t.Fatalf("%q did not come", event)
		}
	}
}

func TestServerThatIsAwayCostsOnlyItsOwnRecords(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := closed.Addr().String()
	_ = closed.Close()
	s := newSyslog(t, Server{Address: at, Transport: TCP})
	began := time.Now()
	for range remoteQueue + 100 {
		s.send(zapcore.Entry{Level: zapcore.InfoLevel, Message: "event"}, []byte("record"))
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("writing took %v", took)
	}
	if st := s.Status()[0]; st.Lost < 90 || st.Sent != 0 {
		t.Errorf("got %+v", st)
	}
}

func TestServersAreReplacedAsAWhole(t *testing.T) {
	s := newSyslog(t, Server{Address: "127.0.0.1:1", Transport: UDP})
	kept := (*s.servers.Load())[0]
	for name, wrong := range map[string][]Server{
		"transport": {{Address: "127.0.0.1:2", Transport: UDP}, {Address: "a:1", Transport: "carrier pigeon"}},
		"level":     {{Address: "127.0.0.1:2", Transport: UDP}, {Address: "a:1", Transport: UDP, Level: "loud"}},
		"too many":  make([]Server, MaxServers+1),
	} {
		if err := s.SetServers(wrong); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if now := *s.servers.Load(); len(now) != 1 || now[0] != kept {
		t.Error("a refused change changed the servers")
	}
	if err := s.SetServers([]Server{{Address: "127.0.0.1:2", Transport: UDP}, kept.server}); err != nil {
		t.Fatal(err)
	}
	if now := *s.servers.Load(); len(now) != 2 || now[1] != kept {
		t.Error("a server that stays was not kept")
	}
}

// rsyslog is the referee: it writes what it understands into a pipe.
func TestRsyslogTakesRecordsOfEachTransport(t *testing.T) {
	dir := t.TempDir()
	ca := writeCertificate(t, dir)
	udp, tcp, secure := int(labtest.FreePort(t, "127.0.0.1").Port()), int(labtest.FreePort(t, "127.0.0.1").Port()), int(labtest.FreePort(t, "127.0.0.1").Port())
	lines := startRsyslog(t, dir, udp, tcp, secure)
	local := func(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
	s := newSyslog(t)
	l, _ := newLog(t, Config{Syslog: s, Node: "tp1"})
	// The streams are tried until rsyslog listens; when it does, it takes datagrams too.
	for _, server := range []Server{
		{Address: local(tcp), Transport: TCP},
		{Address: local(secure), Transport: TLS, TLS: &tls.Config{RootCAs: ca, ServerName: "localhost"}},
		{Address: local(udp), Transport: UDP},
	} {
		if err := s.SetServers([]Server{server}); err != nil {
			t.Fatal(err)
		}
		l.Module("control.node").Error("Relay Refused", "Detail", "é \"quoted\"", "Transport", string(server.Transport))
		got := next(t, lines)
		if !strings.HasPrefix(got, `err tp1.example.org turnpike Relay_Refused UTCTime=`) ||
			!strings.HasSuffix(got, `Level="ERROR" Event="Relay Refused" Detail="é \"quoted\"" Node="tp1" Transport="`+string(server.Transport)+`"`) {
			t.Errorf("%s: got %q", server.Transport, got)
		}
	}
}

// startRsyslog runs rsyslogd until the test ends, and returns the records that it takes.
func startRsyslog(t *testing.T, dir string, udp, tcp, secure int) <-chan string {
	t.Helper()
	pipe := filepath.Join(dir, "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	conf := fmt.Appendf(nil, `
global(workDirectory="%[1]s" DefaultNetstreamDriverCAFile="%[1]s/cert.pem" DefaultNetstreamDriverCertFile="%[1]s/cert.pem" DefaultNetstreamDriverKeyFile="%[1]s/key.pem")
module(load="imudp") module(load="imtcp")
input(type="imudp" address="127.0.0.1" port="%[2]d")
input(type="imtcp" address="127.0.0.1" port="%[3]d")
input(type="imtcp" address="127.0.0.1" port="%[4]d" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="anon")
template(name="t" type="string" string="%%syslogseverity-text%% %%hostname%% %%app-name%% %%msgid%% %%msg%%\n")
if $app-name == "turnpike" then action(type="ompipe" pipe="%[5]s" template="t")
`, dir, udp, tcp, secure, pipe)
	if err := os.WriteFile(filepath.Join(dir, "conf"), conf, 0o600); err != nil {
		t.Fatal(err)
	}
	// Open for both, so that opening does not wait for rsyslog and its end is no end of file.
	r, err := os.OpenFile(pipe, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("rsyslogd", "-n", "-f", filepath.Join(dir, "conf"), "-i", filepath.Join(dir, "pid"))
	if err := cmd.Start(); err != nil {
		t.Fatalf("start rsyslogd (make deps installs it): %v", err)
	}
	lines := make(chan string, 10)
	read := make(chan struct{})
	go func() {
		defer close(read)
		for s := bufio.NewScanner(r); s.Scan(); {
			lines <- s.Text()
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = r.Close()
		<-read
	})
	return lines
}

func next(t *testing.T, lines <-chan string) string {
	t.Helper()
	select {
	case l := <-lines:
		return l
	case <-time.After(20 * time.Second):
		t.Fatal("no record came")
		return ""
	}
}

// writeCertificate makes a certificate for localhost, and returns who trusts it.
func writeCertificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(c)
	return pool
}
