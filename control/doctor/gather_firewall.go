package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// listTime bounds how long a tool may take to list its rules.
const listTime = 10 * time.Second

// gatherFirewall lists the rules of nftables (with those of iptables that it holds) and
// of the older iptables. Listing changes nothing.
func (s *Snapshot) gatherFirewall(ctx context.Context) {
	count, err := countRules()
	s.missed("nftables", err)
	if count > 0 {
		text, err := list(ctx, "nft", "-a", "list", "ruleset")
		if errors.Is(err, exec.ErrNotFound) {
			s.Firewall.Unread = count
			err = nil
		}
		s.missed("nftables", err)
		s.Firewall.Chains = append(s.Firewall.Chains, parseNFT(text)...)
	}
	for _, f := range []struct{ family, tables, tool string }{
		{"ip", "/proc/thread-self/net/ip_tables_names", "iptables-legacy-save"},
		{"ip6", "/proc/thread-self/net/ip6_tables_names", "ip6tables-legacy-save"},
	} {
		tables, err := readLine(f.tables)
		s.missed("iptables", err)
		if tables == "" {
			continue
		}
		text, err := list(ctx, f.tool)
		s.missed("iptables", err)
		s.Firewall.Chains = append(s.Firewall.Chains, parseIPTables(f.family, text)...)
	}
}

func list(ctx context.Context, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(said.String()))
	}
	return string(out), err
}

const nftMsgGetRule = 7 // NFT_MSG_GETRULE

// countRules asks the kernel how many rules nftables has in this namespace.
func countRules() (int, error) {
	req := nl.NewNetlinkRequest(unix.NFNL_SUBSYS_NFTABLES<<8|nftMsgGetRule, unix.NLM_F_DUMP)
	req.AddData(&nl.Nfgenmsg{NfgenFamily: unix.AF_UNSPEC, Version: nl.NFNETLINK_V0})
	rules, err := req.Execute(unix.NETLINK_NETFILTER, 0)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EPROTONOSUPPORT) {
		return 0, nil // no nftables in this kernel
	}
	return len(rules), err
}

// parseNFT reads what `nft -a list ruleset` writes, as far as chains and rules go.
func parseNFT(text string) []Chain {
	var chains []Chain
	var family, table string
	var chain *Chain
	depth := 0
	for line := range strings.Lines(text) {
		words, handle := withoutHandle(strings.TrimSpace(line))
		f := strings.Fields(words)
		switch {
		case len(f) == 0:
		case depth == 0 && f[0] == "table" && len(f) >= 3:
			family, table = f[1], f[2]
		case depth == 1 && f[0] == "chain" && len(f) >= 2:
			chains = append(chains, Chain{Family: family, Table: table, Name: f[1]})
			chain = &chains[len(chains)-1]
		case depth == 2 && chain != nil && f[0] == "type":
			chain.readType(words)
		case depth == 2 && chain != nil && words != "}":
			chain.Rules = append(chain.Rules, Rule{Handle: handle, Text: words})
		}
		depth += strings.Count(words, "{") - strings.Count(words, "}")
		if depth < 2 {
			chain = nil
		}
	}
	return chains
}

// withoutHandle takes a rule and its number apart.
func withoutHandle(line string) (words, handle string) {
	words, handle, _ = strings.Cut(line, " # handle ")
	return strings.TrimSpace(words), handle
}

// readType reads "type filter hook input priority filter; policy drop;".
func (c *Chain) readType(line string) {
	f := strings.Fields(strings.ReplaceAll(line, ";", " "))
	for i := 0; i+1 < len(f); i++ {
		switch f[i] {
		case "type":
			c.Kind = f[i+1]
		case "hook":
			c.Hook = f[i+1]
		case "policy":
			c.Policy = f[i+1]
		}
	}
}

// parseIPTables reads what iptables-save writes.
func parseIPTables(family, text string) []Chain {
	var chains []Chain
	table := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		f := strings.Fields(line)
		switch {
		case len(f) == 0:
		case strings.HasPrefix(line, "*"):
			table = line[1:]
		case strings.HasPrefix(line, ":") && len(f) >= 2:
			c := Chain{Family: family, Table: table, Name: f[0][1:], Kind: "filter", Policy: strings.ToLower(f[1])}
			if table == "nat" {
				c.Kind = "nat"
			}
			if f[1] != "-" {
				c.Hook = strings.ToLower(c.Name)
			}
			chains = append(chains, c)
		case f[0] == "-A" && len(f) >= 3:
			for i := range chains {
				if chains[i].Table == table && chains[i].Name == f[1] {
					chains[i].Rules = append(chains[i].Rules, Rule{Text: strings.Join(f[2:], " ")})
				}
			}
		}
	}
	return chains
}
