package sipp_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"turnpike.dev/turnpike/control/calls"
	"turnpike.dev/turnpike/control/eventlog"
	"turnpike.dev/turnpike/deploy/sipp/agent"
	"turnpike.dev/turnpike/deploy/sipp/runner"
	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/nodetest"
)

// TestOperatorEndsACall: a call stands, is shown, is ended by hand, and leaves a record, its
// events and its messages.
func TestOperatorEndsACall(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil)
	answering := begin(t, n.called("signalling-callee", 1))
	c := n.calling("left-caller", "standing", 1)
	c.Hold = 300 * time.Millisecond // then it waits for the BYE
	calling := begin(t, c)
	var standing calls.Call
	nodetest.Eventually(t, 10*time.Second, "a call that stands", func() error {
		list, err := n.API.Calls(t.Context(), false)
		if err != nil || len(list) != 1 || list[0].State != calls.Connected || len(list[0].Streams) != 1 || list[0].Seconds < 1 {
			return fmt.Errorf("no call with media stands: %+v: %w", list, err)
		}
		standing = list[0]
		return nil
	})
	if !standing.Media.Traversal || standing.Caller.Zone != "in" || standing.Callee.Zone != "out" || standing.Route.Rule != "out" {
		t.Errorf("it is shown as %+v", standing)
	}
	if st, err := n.API.Status(t.Context()); err != nil || st.Calls.Used != 1 || st.Calls.Limit == 0 {
		t.Errorf("status: %+v, %v", st.Calls, err)
	}
	if out := n.Command(t, 0, "zone", "status", "in", "-o", "json"); !strings.Contains(out, `"calls": 1`) {
		t.Errorf("zone status:\n%s", out)
	}
	if out := n.Command(t, 0, "xstatus", "Calls"); !strings.Contains(out, standing.Serial) {
		t.Errorf("xStatus Calls:\n%s", out)
	}
	n.Command(t, 0, "xcommand", "DisconnectCall", "CallSerialNumber:", standing.Serial)
	all(t, 1)(calling.Wait(t.Context()))
	all(t, 1)(answering.Wait(t.Context()))
	over := n.ended(t, "standing", 1)[0]
	if over.Cause.Kind != calls.Disconnected || over.Cause.By != calls.ByOperator || !strings.Contains(over.Cause.Reason, "root") {
		t.Errorf("it ended as %+v", over.Cause)
	}
	n.checkRecord(t, over)
	n.checkEvents(t, over, "Call Attempted", "Call Connected", "Call Disconnected")
	n.checkTrace(t, over, "INVITE", "ACK", "BYE")
}

// checkRecord wants the call in the file of records, as it is shown.
func (n *node) checkRecord(t *testing.T, want calls.Call) {
	t.Helper()
	nodetest.Eventually(t, 5*time.Second, "calls that ended", func() error {
		data, err := os.ReadFile(filepath.Join(n.State, "calls.jsonl"))
		if err != nil {
			return err
		}
		for line := range bytes.Lines(data) {
			var c calls.Call
			if err := json.Unmarshal(line, &c); err != nil {
				return err
			}
			if c.Serial == want.Serial && len(c.Streams) == len(want.Streams) && *c.Cause == *want.Cause {
				return nil
			}
		}
		return fmt.Errorf("no record of %s in\n%s", want.Serial, data)
	})
}

// checkEvents wants the events of a call in the log, in this order (AL-02).
func (n *node) checkEvents(t *testing.T, c calls.Call, want ...string) {
	t.Helper()
	log, err := os.ReadFile(filepath.Join(n.State, "event.log"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(log)) {
		fields, err := eventlog.Parse(line)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range fields {
			if f.Key == "Call-serial-number" && f.Value == c.Serial {
				got = append(got, fields[3].Value)
			}
		}
	}
	if strings.Join(got, ", ") != strings.Join(want, ", ") {
		t.Errorf("events of the call: %s, want %s", got, want)
	}
}

// checkTrace wants methods in the ladder, and has tshark read the exported messages.
func (n *node) checkTrace(t *testing.T, c calls.Call, methods ...string) {
	t.Helper()
	picture := n.Command(t, 0, "call", "trace", c.Serial)
	file := filepath.Join(t.TempDir(), "call.pcapng")
	n.Command(t, 0, "call", "trace", c.Serial, "--pcap", file)
	out, err := exec.Command("tshark", "-r", file, "-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-d", "udp.port==1-65535,sip",
		"-T", "fields", "-e", "sip.Method", "-e", "ip.checksum.status", "-e", "udp.checksum.status", "-e", "_ws.malformed").Output()
	if err != nil {
		t.Fatalf("tshark: %v", err)
	}
	for _, m := range methods {
		if strings.Count(picture, m+" ") < 2 { // on both legs
			t.Errorf("no two %s in\n%s", m, picture)
		}
		if !bytes.Contains(out, []byte(m+"\t1\t1\t\n")) {
			t.Errorf("tshark sees no %s with right checksums:\n%s", m, out)
		}
	}
	if messages := bytes.Count(out, []byte{'\n'}); messages != c.Messages {
		t.Errorf("%d messages in the file, %d in the call", messages, c.Messages)
	}
}

// No digest of a caller who proved who he is can be seen, unless root wants to.
func TestTraceHidesDigests(t *testing.T) {
	t.Parallel()
	n := newNode(t, withSIP("digest: sha256_first"))
	ctx := t.Context()
	bob := n.agent(ctx, t, n.Lab.Peer, agent.Options{Name: "bob", Transport: "tls", Local: netip.AddrPortFrom(n.Lab.PeerAddrs.V4[1], 5066), Server: n.far()})
	alice := n.agent(ctx, t, n.Lab.Client, agent.Options{Name: "alice", Transport: "tls", Local: netip.AddrPortFrom(n.Lab.ClientAddrs.V4[1], 5066), Server: n.near(), Call: "bob"})
	for _, a := range []*agent.Process{alice, bob} {
		if _, err := a.Next(ctx); err != nil {
			t.Fatal(err)
		}
	}
	c := n.ended(t, "bob", 1)[0]
	const digest = `response="`
	shown := n.Command(t, 0, "call", "trace", c.Serial, "--messages") + n.Command(t, 0, "call", "trace", c.Serial, "-o", "json")
	if strings.Contains(shown, digest) {
		t.Errorf("a digest is shown:\n%s", shown)
	}
	if all := n.Command(t, 0, "call", "trace", c.Serial, "--messages", "--with-secrets"); strings.Contains(all, "uthorization:") && !strings.Contains(all, digest) {
		t.Errorf("root does not see the digest:\n%s", all)
	}
	if c.Caller.Transport != "tls" || !c.Caller.Authenticated {
		t.Errorf("the caller is shown as %+v", c.Caller)
	}
}

// RG-01: registrations are found by name, and go when the operator says so.
func TestOperatorRemovesARegistration(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil)
	at := netip.AddrPortFrom(n.Lab.ClientAddrs.V4[1], 6002)
	all(t, 1)(runner.Run(t.Context(), n.registering("register", "alice", password, at)))
	if out := n.Command(t, 0, "xcommand", "FindRegistration", "Alias:", "alice@"+domain); !strings.Contains(out, at.String()) {
		t.Errorf("FindRegistration:\n%s", out)
	}
	n.Command(t, 0, "registration", "remove", "alice@"+domain)
	if got := n.contacts(t); len(got) != 0 {
		t.Errorf("still registered: %s", got)
	}
	log, err := os.ReadFile(filepath.Join(n.State, "event.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`Event="Registration Accepted"`, `Event="Registration Removed" Detail="" Node="` + n.Lab.Name + `" Reason="removed by the operator"`} {
		if !bytes.Contains(log, []byte(want)) {
			t.Errorf("no %s in the log:\n%s", want, log)
		}
	}
}

// CA-04: the call over the limit is refused with 503, the one that runs goes on.
func TestCallLimit(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(_ *lab.Lab, file string) string {
		return strings.Replace(file, "platform: CE1200", "platform: custom", 1) + "turn: {max_relays: 10}\ncalls: {max: 1}\n"
	})
	answering := begin(t, n.called("callee", 1))
	standing := n.calling("caller", "first", 1)
	standing.Hold = 3 * time.Second
	call := begin(t, standing)
	nodetest.Eventually(t, 10*time.Second, "a call that stands", func() error {
		if list, err := n.API.Calls(t.Context(), false); err != nil || len(list) != 1 || list[0].State != calls.Connected {
			return fmt.Errorf("no call stands: %+v: %w", list, err)
		}
		return nil
	})
	second := n.calling("refused-caller", "second", 1)
	second.Local = netip.AddrPortFrom(n.caller(0).Addr(), callerPort+2)
	second.Replace = map[string]string{"EXPECTED": "503"}
	all(t, 1)(runner.Run(t.Context(), second))
	all(t, 1)(call.Wait(t.Context()))
	all(t, 1)(answering.Wait(t.Context()))
	if c := n.ended(t, "second", 1)[0]; c.Cause.Kind != calls.Overloaded || c.Cause.Status != 503 {
		t.Errorf("it ended as %+v", c.Cause)
	}
}
