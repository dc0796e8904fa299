package sdp

import (
	"errors"
	"net/netip"
	"strings"
)

var errNoAddress = errors.New("no IP address")

// parseHost reads the address of c=, without the TTL that a multicast address has.
func parseHost(host string) (netip.Addr, error) {
	host, _, _ = strings.Cut(host, "/")
	addr, err := netip.ParseAddr(host)
	if err != nil || addr.Zone() != "" {
		return netip.Addr{}, errNoAddress
	}
	return addr.Unmap(), nil
}

// tells says whether a text has an IP address in it, wherever and however written. The
// unspecified address tells nothing.
func tells(text string) bool {
	for i := 0; i < len(text); {
		if !addressByte(text[i]) {
			i++
			continue
		}
		end := i + 1
		for end < len(text) && addressByte(text[end]) {
			end++
		}
		if isAddress(text[i:end]) {
			return true
		}
		i = end
	}
	return false
}

func addressByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' || c == '.' || c == ':'
}

// isAddress looks at a run of bytes that addresses are made of.
func isAddress(run string) bool {
	if strings.Count(run, ".") >= 3 && quad(run) {
		return true
	}
	if strings.Count(run, ":") < 2 {
		return false
	}
	for _, text := range []string{run, strings.Trim(run, "."), strings.TrimPrefix(run, ":"), strings.TrimSuffix(run, ":"), strings.Trim(run, ":.")} {
		if addr, err := netip.ParseAddr(text); err == nil && !addr.IsUnspecified() {
			return true
		}
	}
	return false
}

// quad says whether four numbers with dots between them are anywhere in a run, and are
// not all 0.
func quad(run string) bool {
	numbers, at := 0, 0
	zero := true
	for at < len(run) {
		end := at
		for end < len(run) && run[end] >= '0' && run[end] <= '9' {
			end++
		}
		if end == at {
			numbers, zero = 0, true
			at++
			continue
		}
		numbers++
		zero = zero && strings.Trim(run[at:end], "0") == ""
		if numbers >= 4 && !zero {
			return true
		}
		if end < len(run) && run[end] == '.' {
			end++
		} else {
			numbers, zero = 0, true
		}
		at = end
	}
	return false
}

// family returns IP4 or IP6.
func family(a netip.Addr) string {
	if a.Is4() {
		return "IP4"
	}
	return "IP6"
}
