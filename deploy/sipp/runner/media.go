package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"turnpike.dev/turnpike/perf/lab"
)

// Media counts the RTP of a namespace as its own kernel sees it, so that neither the
// node nor SIPp is asked how much was sent.
type Media struct {
	host  *lab.Host
	table string
}

// Ports are a range of UDP ports, first and last.
type Ports struct{ First, Last uint16 }

// NodePorts are where a node receives media unless told otherwise.
var NodePorts = Ports{First: 36000, Last: 59999}

// CountMedia begins to count datagrams to (sent) and from (received) the far ports. It
// needs nft, and ends with the namespace or with Close.
func CountMedia(ctx context.Context, h *lab.Host, far Ports) (*Media, error) {
	m := &Media{host: h, table: "media"}
	var rules strings.Builder
	fmt.Fprintf(&rules, "table inet %s\ndelete table inet %s\ntable inet %s {\n", m.table, m.table, m.table)
	fmt.Fprintf(&rules, "counter sent {\n}\ncounter received {\n}\n")
	fmt.Fprintf(&rules, "chain out {\ntype filter hook output priority 0;\nudp dport %d-%d counter name sent\n}\n", far.First, far.Last)
	fmt.Fprintf(&rules, "chain in {\ntype filter hook input priority 0;\nudp sport %d-%d counter name received\n}\n}\n", far.First, far.Last)
	cmd := h.Command(ctx, "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(rules.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("count media in %s: %w: %s", h.Name, err, out)
	}
	return m, nil
}

// Totals are datagrams so far.
func (m *Media) Totals(ctx context.Context) (sent, received uint64, err error) {
	out, err := m.host.Command(ctx, "nft", "-j", "list", "counters", "table", "inet", m.table).Output()
	if err != nil {
		return 0, 0, fmt.Errorf("read the media counters of %s: %w", m.host.Name, err)
	}
	return parseCounters(out)
}

func parseCounters(out []byte) (sent, received uint64, err error) {
	var list struct {
		Nftables []struct {
			Counter *struct {
				Name    string
				Packets uint64
			}
		}
	}
	if err := json.NewDecoder(bytes.NewReader(out)).Decode(&list); err != nil {
		return 0, 0, fmt.Errorf("read counters: %w", err)
	}
	found := 0
	for _, entry := range list.Nftables {
		switch {
		case entry.Counter == nil:
			continue
		case entry.Counter.Name == "sent":
			sent = entry.Counter.Packets
		case entry.Counter.Name == "received":
			received = entry.Counter.Packets
		}
		found++
	}
	if found < 2 {
		return 0, 0, errors.New("the media counters are gone")
	}
	return sent, received, nil
}

// Close stops counting.
func (m *Media) Close() error {
	return m.host.Command(context.Background(), "nft", "delete", "table", "inet", m.table).Run()
}
