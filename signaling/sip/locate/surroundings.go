package locate

import (
	"bufio"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// surroundings are what the node's configuration and the machine say. They never change.
type surroundings struct {
	servers    []netip.AddrPort
	search     []string
	ipv4, ipv6 bool
	hosts      map[string][]netip.Addr
}

const (
	resolvConf   = "/etc/resolv.conf"
	maxHostsFile = 1 << 20
)

func newSurroundings(c Config) *surroundings {
	s := &surroundings{servers: c.Servers, search: c.Search, ipv4: c.IPv4, ipv6: c.IPv6}
	if !s.ipv4 && !s.ipv6 {
		s.ipv4, s.ipv6 = true, true
	}
	if system, err := dns.ClientConfigFromFile(resolvConf); err == nil {
		if len(s.servers) == 0 {
			s.servers = systemServers(system)
		}
		if len(s.search) == 0 {
			s.search = system.Search
		}
	}
	file := c.Hosts
	if file == "" {
		file = "/etc/hosts"
	}
	s.hosts = readHosts(file)
	return s
}

func systemServers(c *dns.ClientConfig) []netip.AddrPort {
	var out []netip.AddrPort
	for _, text := range c.Servers {
		if a, err := netip.ParseAddr(text); err == nil {
			out = append(out, netip.AddrPortFrom(a, 53))
		}
	}
	return out
}

// readHosts reads a file in the manner of hosts(5); one that is not there has no names.
func readHosts(file string) map[string][]netip.Addr {
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	hosts := map[string][]netip.Addr{}
	for lines := bufio.NewScanner(io.LimitReader(f, maxHostsFile)); lines.Scan(); {
		line, _, _ := strings.Cut(lines.Text(), "#")
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		a, err := netip.ParseAddr(words[0])
		if err != nil {
			continue
		}
		for _, name := range words[1:] {
			hosts[fold(name)] = append(hosts[fold(name)], a.Unmap())
		}
	}
	return hosts
}

// names returns the whole names to ask for: of a host without a dot in each search
// domain, and then as it is. of a service's name the first dots are its own.
func (s *surroundings) names(name string, dots int) []string {
	whole := dns.Fqdn(strings.ToLower(name))
	if strings.HasSuffix(name, ".") || strings.Count(name, ".") > dots {
		return []string{whole}
	}
	var out []string
	for _, domain := range s.search {
		out = append(out, whole+dns.Fqdn(strings.ToLower(domain)))
	}
	return append(out, whole)
}

func (s *surroundings) reaches(a netip.Addr) bool {
	return a.Is4() && s.ipv4 || a.Is6() && s.ipv6
}

// reachable keeps the addresses that the sides reach, IPv6 first.
func (s *surroundings) reachable(addrs []netip.Addr) []netip.Addr {
	var out []netip.Addr
	for _, six := range []bool{true, false} {
		for _, a := range addrs {
			if a.Is6() == six && s.reaches(a) && !slices.Contains(out, a) {
				out = append(out, a)
			}
		}
	}
	return out[:min(len(out), maxAddrs)]
}
