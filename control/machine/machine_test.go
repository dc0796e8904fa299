package machine

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
)

// canned are tables as the kernel writes them.
type canned map[string]string

func (c canned) read(name string) (string, error) {
	text, ok := c[name]
	if !ok {
		return "", fs.ErrNotExist
	}
	return text, nil
}

const twoCPUs = `0000ffff 00000002 00000010 00000000 00000000
00000001 0000000a 00000001 00000000 00000000
`

const snmp = `Ip: Forwarding DefaultTTL
Ip: 2 64
Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti MemErrors
Udp: 100 2 7 90 5 1 2 0 3
UdpLite: InDatagrams RcvbufErrors
UdpLite: 0 1000
`

const snmp6 = `Ip6InReceives                   	10
Udp6RcvbufErrors                	4
Udp6SndbufErrors                	0
`

func TestMachineLosses(t *testing.T) {
	want := map[string]uint64{
		"backlog_full": 12, "budget_spent": 17, "socket_full": 9, "send_buffer_full": 1, "bad_checksum": 2, "udp_memory": 3,
	}
	losses, err := machineLosses(canned{"softnet_stat": twoCPUs, "snmp": snmp, "snmp6": snmp6})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]uint64{}
	for _, l := range losses {
		got[l.Reason] = l.Packets
		if l.Late != (l.Reason == "budget_spent") {
			t.Errorf("%s: late %t", l.Reason, l.Late)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestWhatCannotBeReadIsLeftOut(t *testing.T) {
	tests := []struct {
		name  string
		files canned
		want  int
	}{
		{"nothing", canned{}, 0},
		{"no IPv6", canned{"softnet_stat": twoCPUs, "snmp": snmp}, 6},
		{"a short line", canned{"softnet_stat": "1\n", "snmp": snmp, "snmp6": snmp6}, 6},
		{"no number", canned{"softnet_stat": "x y z\n", "snmp": snmp, "snmp6": snmp6}, 6},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			losses, err := machineLosses(test.files)
			if err == nil || len(losses) != test.want {
				t.Errorf("%d losses, want %d; error %v", len(losses), test.want, err)
			}
		})
	}
}

func TestLinkLosses(t *testing.T) {
	got := linkLosses("s0", &netlink.LinkStatistics{RxMissedErrors: 1, RxFifoErrors: 2, RxDropped: 3, RxErrors: 4, TxDropped: 5, TxErrors: 6})
	for i, l := range got {
		if l.Packets != uint64(i+1) || l.Interface != "s0" || !strings.HasSuffix(l.Text, ".") {
			t.Errorf("%+v", l)
		}
	}
}

func TestThisMachine(t *testing.T) {
	losses, err := Losses([]string{"lo", "nope0"})
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // a machine may have no IPv6
		t.Fatal(err)
	}
	if len(losses) < 8 {
		t.Errorf("only %d reasons: %+v", len(losses), losses)
	}
	if links := Links([]string{"nope0", "lo"}); len(links) != 1 || links[0].Name != "lo" {
		t.Errorf("links %+v", links)
	}
}

func FuzzTables(f *testing.F) {
	f.Add(twoCPUs, snmp, snmp6)
	f.Fuzz(func(_ *testing.T, softnet, snmp, snmp6 string) {
		_, _ = machineLosses(canned{"softnet_stat": softnet, "snmp": snmp, "snmp6": snmp6})
	})
}
