package runner

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Told is what one side of a call of the scenarios "asking-…" was told, or how the call
// was refused.
type Told struct {
	// Call is the calling SIPp's number of the call, from 1.
	Call int
	// Audio and Video are where the side sends RTP to; port 0: that stream is refused.
	Audio, Video netip.AddrPort
	// Bandwidth is the first b= line, without its "b=" (RFC 8866 5.8); empty: there was none.
	Bandwidth string
	// Status refused the call; 0: it was answered.
	Status int
	// RetryAfter (RFC 3261 20.33) and Warning (its code, RFC 3261 20.43) came with the
	// refusal; 0: they did not.
	RetryAfter, Warning int
}

// Kbps is what the b= line says, and whether it says anything: AS and CT count kbit/s,
// TIAS bit/s (RFC 3890).
func (t Told) Kbps() (kbps int, is bool) {
	modifier, value, _ := strings.Cut(t.Bandwidth, ":")
	n, err := strconv.Atoi(value)
	if err != nil {
		return 0, false
	}
	if modifier == "TIAS" {
		n /= 1000
	}
	return n, true
}

// Told is what the log has so far, a call each, in the order in which the answers came.
func (p *Process) Told() ([]Told, error) {
	log, err := p.Log()
	if err != nil {
		return nil, err
	}
	return parseTold(log)
}

// parseTold reads lines of the scenarios "asking-…". A last line that is not whole yet is
// left for the next time.
func parseTold(log string) (all []Told, err error) {
	for line := range strings.Lines(log) {
		words := strings.Fields(line)
		if len(words) == 0 || !strings.HasSuffix(line, "\n") {
			continue
		}
		t, err := toldBy(words)
		if err != nil {
			return nil, fmt.Errorf("read SIPp's log: %q: %w", strings.TrimSpace(line), err)
		}
		all = append(all, t)
	}
	return all, nil
}

func toldBy(words []string) (t Told, err error) {
	if len(words) < 3 {
		return t, fmt.Errorf("%d words", len(words))
	}
	if t.Call, err = strconv.Atoi(words[1]); err != nil {
		return t, err
	}
	if words[0] == "refused" {
		if t.Status, err = strconv.Atoi(words[2]); err != nil {
			return t, err
		}
		words = words[1:]
	}
	var addr netip.Addr
	for _, word := range words[2:] {
		if err := t.set(word, &addr); err != nil {
			return t, err
		}
	}
	t.Audio = netip.AddrPortFrom(addr, t.Audio.Port())
	t.Video = netip.AddrPortFrom(addr, t.Video.Port())
	return t, nil
}

// set takes one word of a line. A header that did not come has an empty value.
func (t *Told) set(word string, addr *netip.Addr) (err error) {
	name, value, _ := strings.Cut(word, "=")
	number := func(of *int) {
		if value != "" {
			*of, err = strconv.Atoi(value)
		}
	}
	switch name {
	case "addr":
		*addr, err = netip.ParseAddr(value)
	case "audio", "video":
		port, wrong := strconv.ParseUint(value, 10, 16)
		at := netip.AddrPortFrom(netip.Addr{}, uint16(port))
		if err = wrong; name == "audio" {
			t.Audio = at
		} else {
			t.Video = at
		}
	case "b":
		t.Bandwidth = value
	case "retry":
		number(&t.RetryAfter)
	case "warning":
		number(&t.Warning)
	}
	return err
}
