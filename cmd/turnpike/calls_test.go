package main

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"turnpike.dev/turnpike/control/alarms"
	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/calls"
	"turnpike.dev/turnpike/control/cli"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/dialplan"
	"turnpike.dev/turnpike/control/eventlog"
	"turnpike.dev/turnpike/control/registrations"
)

// busy is a call that somebody carries.
type busy struct {
	entry   *calls.Entry
	streams []calls.Stream
}

// Disconnect ends it as a B2BUA would: later, on its own goroutine.
func (b *busy) Disconnect(reason string) {
	b.entry.End(calls.Cause{Kind: calls.Disconnected, By: calls.ByOperator, Reason: reason})
}

func (b *busy) Streams() []calls.Stream { return b.streams }
func (b *busy) Rate() *calls.Rate       { return &calls.Rate{FromCaller: 700, FromCallee: 64} }

// inTheTwenties is a clock that goes on by a second whenever it is looked at.
func inTheTwenties() func() time.Time {
	now := time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC)
	return func() time.Time {
		now = now.Add(time.Second)
		return now
	}
}

const invite = "INVITE sip:bob@example.test SIP/2.0\r\nCall-ID: c1\r\nAuthorization: Digest response=\"secret\"\r\n\r\nv=0\r\na=crypto:1 S inline:secret\r\n"

// callingNode has a call that runs, one that ended, one that was refused, and two
// registrations.
func callingNode(t *testing.T) *node {
	t.Helper()
	log, err := eventlog.New(eventlog.Config{Level: "info"})
	if err != nil {
		t.Fatal(err)
	}
	n := &node{log: log, calls: calls.New(calls.Config{Now: inTheTwenties(), Trace: true}), bound: registrations.New(registrations.Config{})}
	alice := calls.Party{Alias: "alice@example.test", Zone: "local", Subzone: "DefaultSubZone", Protocol: "sip", Transport: "udp", Address: netip.MustParseAddrPort("192.0.2.10:5062"), CallID: "c1", Authenticated: true, Agent: "Phone 1.0"}
	bob := calls.Party{Alias: "bob@example.test", Zone: "out", Protocol: "sip", Transport: "tls", Address: netip.MustParseAddrPort("[2001:db8::b]:5061"), CallID: "c1b"}
	begin := func(from string, streams ...calls.Stream) *calls.Entry {
		h := &busy{streams: streams}
		h.entry = n.calls.Begin(calls.Info{CallID: "c1", SessionID: "47755a9de7794ba387653f2099600ef2", From: from, To: "bob@example.test", Caller: alice}, h)
		at := time.Date(2026, 1, 2, 3, 4, 1, 0, time.UTC)
		local := netip.MustParseAddrPort("192.0.2.1:5060")
		h.entry.Message(at, local, alice.Address, "udp", false, []byte(invite))
		h.entry.Message(at.Add(time.Millisecond), local, alice.Address, "udp", true, []byte("SIP/2.0 100 Trying\r\n\r\n"))
		return h.entry
	}
	answer := func(e *calls.Entry) {
		e.Update(func(i *calls.Info) {
			i.Callee, i.Route = bob, calls.Route{Rule: "out", Alias: "bob@example.test"}
			i.Media = calls.Media{
				Traversal: true, Why: "IPv4 and IPv6", Encrypted: true, AskedKbps: 1920, GrantedKbps: 768, HalfRMS: 1, Links: []string{"DefaultSZtoTraversalSZ", "outtoTraversalSZ"},
				Charges: []calls.Charge{{Kind: "subzone", Name: "DefaultSubZone", Times: 1, Kbps: 768}, {Kind: "pipe", Name: "line", Times: 2, Kbps: 768}},
			}
		})
		e.Answered()
	}
	audio := calls.Stream{
		Kind: "audio", Path: "xdp", A: calls.Direction{Packets: 500, Bytes: 86000, Lost: 2, JitterMs: 0.4, LastSeen: time.Date(2026, 1, 2, 3, 5, 0, 0, time.UTC)},
		B: calls.Direction{Packets: 498, Bytes: 85656},
	}
	e := begin("alice@example.test", audio, calls.Stream{Index: 1, Kind: "video", Path: "userspace", Reason: "too many flows", A: calls.Direction{Packets: 7}}, calls.Stream{Index: 2, Kind: "slides"})
	answer(e)
	e = begin("\x1b[2Jalice@example.test")
	answer(e)
	e.End(calls.Cause{Kind: calls.Completed, By: calls.ByCallee, Reason: "BYE"}, audio)
	e = begin("eve@example.net")
	e.Update(func(i *calls.Info) { i.Route.Reason = "denied by call policy" })
	e.End(calls.Cause{Kind: calls.Denied, By: calls.ByNode, Status: 403, Reason: "denied by call policy"})
	register(t, n, "alice@example.test", "udp")
	register(t, n, "carol@example.test", "tls")
	return n
}

func register(t *testing.T, n *node, name, transport string) {
	t.Helper()
	_, err := n.bound.Update(name, func(now time.Time, _ []*registrations.Binding) (registrations.Changes, error) {
		return registrations.Changes{Put: []registrations.Binding{{
			Protocol: dialplan.SIP, AOR: name, Contact: "sip:" + name, Params: ";q=0.5", Path: []string{"<sip:edge.example.org;lr>"},
			Instance: "urn:uuid:1", RegID: 1, Q: 500, CallID: "r1", CSeq: 2,
			Source: netip.MustParseAddrPort("192.0.2.10:5062"), Local: netip.MustParseAddrPort("192.0.2.1:5060"), Transport: transport,
			Since: now, Expires: now.Add(24 * 365 * 100 * time.Hour), UserAgent: "Phone\x1b[2J", Subzone: "DefaultSubZone", Account: "alice",
		}}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// changing is what differs from run to run: serials, and the time of registrations.
var changing = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{6}h\d+m\d+s|"(since|renewed|expires)": "[^"]*"|since +\d[-0-9]* [:0-9]*|CreationTime: "[^"]*"|SecondsToExpiry: \d+`)

func TestCallCommands(t *testing.T) {
	n := callingNode(t)
	state := serveAPI(t, api.New(newCanned(), nil).Carry(n))
	file := filepath.Join(t.TempDir(), "call.pcapng")
	tests := []struct {
		name, args string
		code       int
	}{
		{"list", "call list", 0},
		{"list_ended", "call list --ended", 0},
		{"show", "call show 1", 0},
		{"show_refused", "call show 3", 0},
		{"show_none", "call show 9", 1},
		{"trace", "call trace 2", 0},
		{"trace_messages", "call trace 2 --messages", 0},
		{"trace_pcap", "call trace 1 --pcap " + file, 0},
		{"disconnect_ended", "call disconnect 2", 1},
		{"disconnect_nothing", "call disconnect", 2},
		{"disconnect", "call disconnect 1", 0},
		{"registrations", "registration list", 0},
		{"registration", "registration show alice@example.test", 0},
		{"registration_none", "registration show bob@example.test", 1},
		{"remove", "registration remove 2", 0},
		{"remove_again", "registration remove 2", 1},
		{"remove_all", "registration remove --all", 0},
	}
	for _, format := range []string{"table", "json"} {
		for _, test := range tests {
			t.Run(test.name+"_"+format, func(t *testing.T) {
				var out bytes.Buffer
				err := run(t.Context(), append(strings.Fields(test.args), "--state", state, "-o", format), &out)
				if code := exitCode(err); code != test.code {
					t.Errorf("exit code %d, want %d: %v", code, test.code, err)
				}
				if err != nil {
					out.WriteString(err.Error() + "\n")
				}
				text := strings.ReplaceAll(changing.ReplaceAllString(out.String(), "(changing)"), file, "FILE")
				if strings.Contains(text, "secret") || strings.Contains(text, "\x1b") {
					t.Errorf("a secret or a control character is shown:\n%s", text)
				}
				golden(t, filepath.Join("calls", test.name+"."+format), text)
			})
		}
		n = callingNode(t) // as it was
		state = serveAPI(t, api.New(newCanned(), nil).Carry(n))
	}
	if data, err := os.ReadFile(file); err != nil || bytes.Contains(data, []byte("secret")) {
		t.Errorf("the capture has a secret, or: %v", err)
	}
}

// Root may see digests and keys when it says so.
func TestTraceWithSecrets(t *testing.T) {
	state := serveAPI(t, api.New(newCanned(), nil).Carry(callingNode(t)))
	var out bytes.Buffer
	err := run(t.Context(), strings.Fields("call trace 2 --messages --with-secrets --state "+state), &out)
	if os.Getuid() != 0 {
		if err == nil {
			t.Error("somebody else than root saw secrets")
		}
		return
	}
	if err != nil || strings.Count(out.String(), "secret") != 2 {
		t.Errorf("%v:\n%s", err, out.String())
	}
}

func TestXCalls(t *testing.T) {
	n := callingNode(t)
	n.store = storedNode(t, office, t.TempDir()).store
	sh := newShell(n)
	for _, test := range []struct{ name, line string }{
		{"calls", "xStatus Calls"},
		{"registrations", "xStatus Registrations"},
		{"find", `xCommand FindRegistration Alias: "alice@example.test"`},
		{"find_none", `xCommand FindRegistration Alias: "bob@example.test"`},
		{"disconnect_help", "xCommand DisconnectCall ?"},
		{"disconnect_nothing", "xCommand DisconnectCall"},
		{"disconnect_none", "xCommand DisconnectCall Call: 9"},
		{"disconnect", "xCommand DisconnectCall Call: 1"},
		{"disconnect_both", "xCommand DisconnectCall Call: 1 CallSerialNumber: x"},
		{"remove", "xCommand RemoveRegistration Registration: 1"},
		{"remove_none", "xCommand RemoveRegistration RegistrationSerialNumber: 00000000-0000-4000-8000-000000000000"},
	} {
		t.Run(test.name, func(t *testing.T) {
			answer, err := sh.Run(t.Context(), test.line, cli.Caller{User: "test"})
			if err != nil {
				answer.Text = err.Error() + "\n"
			}
			golden(t, filepath.Join("calls", "x_"+test.name+".txt"), changing.ReplaceAllString(answer.Text, "(changing)"))
		})
	}
	if n := len(n.calls.Calls()); n != 0 {
		t.Errorf("%d calls are left", n)
	}
	if left := n.bound.List(); len(left) != 1 {
		t.Errorf("%d registrations are left", len(left))
	}
}

// CA-04: the last registration that fits raises the alarm; when one leaves it goes.
func TestRegistrationCapacity(t *testing.T) { synctest.Test(t, registrationCapacity) }

func registrationCapacity(t *testing.T) {
	n := storedNode(t, office, t.TempDir())
	n.config = n.config.Clone()
	n.config.System.Platform, n.config.Registrations.Max, n.config.Calls.Records = config.PlatformCustom, 2, "off"
	if _, err := n.carry(n.config, &stateDir{path: t.TempDir()}, n.log); err != nil {
		t.Fatal(err)
	}
	stands := func() bool {
		return slices.ContainsFunc(n.board.List(), func(a alarms.Alarm) bool { return a.Number == 30030 && a.Stands() })
	}
	register(t, n, "a@example.test", "udp")
	register(t, n, "b@example.test", "udp")
	_, err := n.bound.Update("c@example.test", func(now time.Time, _ []*registrations.Binding) (registrations.Changes, error) {
		return registrations.Changes{Put: []registrations.Binding{{Protocol: dialplan.SIP, AOR: "c@example.test", Contact: "sip:c", Expires: now.Add(time.Hour)}}}, nil
	})
	if !errors.Is(err, registrations.ErrFull) || !stands() {
		t.Errorf("one too many: %v, the alarm stands: %t", err, stands())
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- n.bound.Run(ctx) }()
	if err := n.RemoveRegistration("1", "test"); err != nil {
		t.Error(err)
	}
	time.Sleep(time.Minute) // of the bubble: until the table is looked through
	if stands() {
		t.Error("one left, and the alarm stands")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestMediaPorts(t *testing.T) {
	n := storedNode(t, office, t.TempDir())
	for _, test := range []struct {
		mode   config.Switch
		end    uint16
		stands bool
	}{{true, 59999, false}, {true, 59997, true}, {false, 59997, false}} {
		n.config = n.config.Clone()
		n.config.System.Platform, n.config.SIP.Mode, n.config.Media.Ports.End = config.PlatformLarge, test.mode, test.end
		n.tellPorts()
		stands := slices.ContainsFunc(n.board.List(), func(a alarms.Alarm) bool { return a.Number == alarmPorts && a.Stands() })
		if stands != test.stands {
			t.Errorf("%+v: the alarm stands: %t", test, stands)
		}
	}
}
