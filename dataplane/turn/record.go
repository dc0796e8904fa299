package turn

import (
	"encoding/base64"
	"encoding/json"
	"net/netip"
	"strconv"
)

// appendJSON appends what json.Marshal makes of the record. It is written three times
// for each set-up, and going by reflection was a tenth of a set-up's cost.
func (r *record) appendJSON(b []byte) []byte {
	b = append(b, '{')
	if r.Boot != "" {
		b = append(appendText(append(b, `"boot":`...), r.Boot), ',')
	}
	b = strconv.AppendUint(append(b, `"id":`...), r.ID, 10)
	if r.Gone {
		b = append(b, `,"gone":true`...)
	}
	if r.User != "" {
		b = appendText(append(b, `,"user":`...), r.User)
	}
	if r.Secret != "" {
		b = appendText(append(b, `,"secret":`...), r.Secret)
	}
	b = appendAddrPort(b, `,"client":`, r.Client)
	b = appendAddrPort(b, `,"server":`, r.Server)
	if len(r.Transaction) > 0 {
		b = append(b, `,"tx":"`...)
		b = append(base64.StdEncoding.AppendEncode(b, r.Transaction), '"')
	}
	b = appendTime(b, `,"granted":`, r.Granted)
	b = appendTime(b, `,"created":`, r.Created)
	if len(r.Relays) > 0 {
		b = append(b, `,"relays":[`...)
		for i := range r.Relays {
			b = r.Relays[i].appendJSON(separate(b, i))
		}
		b = append(b, ']')
	}
	return append(b, '}')
}

func (r *relayRecord) appendJSON(b []byte) []byte {
	b = append(appendAddrPortText(append(b, `{"local":"`...), r.Local), '"')
	b = strconv.AppendInt(append(b, `,"exp":`...), r.Expires, 10)
	if len(r.Permissions) > 0 {
		b = append(b, `,"perm":[`...)
		for i, p := range r.Permissions {
			b = p.Peer.AppendTo(append(separate(b, i), `{"p":"`...))
			b = append(strconv.AppendInt(append(b, `","e":`...), p.Expires, 10), '}')
		}
		b = append(b, ']')
	}
	if len(r.Channels) > 0 {
		b = append(b, `,"chan":[`...)
		for i, c := range r.Channels {
			b = strconv.AppendUint(append(separate(b, i), `{"n":`...), uint64(c.Number), 10)
			b = appendAddrPortText(append(b, `,"p":"`...), c.Peer)
			b = append(strconv.AppendInt(append(b, `","e":`...), c.Expires, 10), '}')
		}
		b = append(b, ']')
	}
	return append(b, '}')
}

func separate(b []byte, i int) []byte {
	if i == 0 {
		return b
	}
	return append(b, ',')
}

// appendTime appends a field that is left out when it is zero.
func appendTime(b []byte, name string, n int64) []byte {
	if n == 0 {
		return b
	}
	return strconv.AppendInt(append(b, name...), n, 10)
}

func appendAddrPort(b []byte, name string, a netip.AddrPort) []byte {
	if a == (netip.AddrPort{}) {
		return b
	}
	return append(appendAddrPortText(append(append(b, name...), '"'), a), '"')
}

// appendAddrPortText leaves out what is no address, as AddrPort.MarshalText does.
func appendAddrPortText(b []byte, a netip.AddrPort) []byte {
	if !a.Addr().IsValid() {
		return b
	}
	return a.AppendTo(b)
}

func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			text, _ := json.Marshal(s) // a string always marshals
			return append(b, text...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}
