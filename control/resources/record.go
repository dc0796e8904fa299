package resources

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"time"

	"turnpike.dev/turnpike/control/bandwidth"
	"turnpike.dev/turnpike/licensing"
)

// record is a line of the journal: a grant as it stands, its end, or what the journal is
// of.
type record struct {
	// Boot is set in the first line only, together with the last ID used.
	Boot string `json:"boot,omitempty"`
	ID   uint64 `json:"id"`
	Gone bool   `json:"gone,omitempty"`

	Serial    string       `json:"serial,omitempty"`
	Until     int64        `json:"until,omitempty"` // of one that was recovered: Unix time in ns
	Connected bool         `json:"connected,omitempty"`
	Streams   int          `json:"streams,omitempty"`
	Units     uint32       `json:"units,omitempty"`
	Halves    int          `json:"halves,omitempty"`
	Kind      uint8        `json:"kind,omitempty"`
	Lanes     []laneRecord `json:"ways,omitempty"`
}

type laneRecord struct {
	From      partyRecord  `json:"from"`
	To        partyRecord  `json:"to"`
	Traversal bool         `json:"traversal,omitempty"`
	Way       uint32       `json:"wanted,omitempty"` // as it was asked, 0 for the default
	Asked     int          `json:"asked"`
	Kbps      int          `json:"kbps"`
	Nodes     []string     `json:"nodes"`
	Links     []string     `json:"links"`
	Tolls     []tollRecord `json:"on"`
}

type partyRecord struct {
	Node       string `json:"node"`
	Registered bool   `json:"registered,omitempty"`
	Stranger   bool   `json:"stranger,omitempty"`
	SIP        bool   `json:"sip,omitempty"`
}

type tollRecord struct {
	Kind  string `json:"kind"`
	Name  string `json:"name"`
	Times int    `json:"times"`
}

// Bounds of what a line may say, so that a damaged journal cannot make counters run over.
const (
	maxLanes = 256
	maxTimes = 2 * (bandwidth.MaxLinks + bandwidth.MaxSubzones)
	maxUnits = 1 << 24
	maxLine  = 1 << 20
)

var errBadLine = errors.New("journal line is damaged")

// appendLine appends "crc json\n".
func appendLine(b []byte, fill func([]byte) []byte) []byte {
	const sum = "00000000 "
	start := len(b) + len(sum)
	b = fill(append(b, sum...))
	var crc [4]byte
	binary.BigEndian.PutUint32(crc[:], crc32.ChecksumIEEE(b[start:]))
	hex.Encode(b[start-len(sum):], crc[:])
	return append(b, '\n')
}

func appendHeader(b []byte, boot string, last uint64) []byte {
	return appendLine(b, func(b []byte) []byte {
		b = appendText(append(b, `{"boot":`...), boot)
		b = strconv.AppendUint(append(b, `,"id":`...), last, 10)
		return append(b, '}')
	})
}

func appendGone(b []byte, id uint64) []byte {
	return appendLine(b, func(b []byte) []byte {
		b = strconv.AppendUint(append(b, `{"id":`...), id, 10)
		return append(b, `,"gone":true}`...)
	})
}

// appendGrant appends what json.Marshal makes of a grant's record: it is written for each
// change of a call, and reflection would take longer than the write.
func appendGrant(b []byte, id uint64, serial string, until time.Time, h *held) []byte {
	return appendLine(b, func(b []byte) []byte {
		b = strconv.AppendUint(append(b, `{"id":`...), id, 10)
		b = appendText(append(b, `,"serial":`...), serial)
		if !until.IsZero() {
			b = strconv.AppendInt(append(b, `,"until":`...), until.UnixNano(), 10)
		}
		b = appendTrue(b, `,"connected":true`, h.connected)
		b = strconv.AppendInt(append(b, `,"streams":`...), int64(h.streams), 10)
		b = strconv.AppendUint(append(b, `,"units":`...), uint64(h.units), 10)
		b = strconv.AppendInt(append(b, `,"halves":`...), int64(h.halves), 10)
		b = strconv.AppendUint(append(b, `,"kind":`...), uint64(h.kind), 10)
		b = append(b, `,"ways":[`...)
		for i := range h.lanes {
			b = h.lanes[i].appendJSON(separate(b, i))
		}
		return append(b, `]}`...)
	})
}

func (l *lane) appendJSON(b []byte) []byte {
	b = appendParty(append(b, `{"from":`...), &l.way.From)
	b = appendParty(append(b, `,"to":`...), &l.way.To)
	b = appendTrue(b, `,"traversal":true`, l.way.Traversal)
	b = strconv.AppendUint(append(b, `,"wanted":`...), uint64(l.way.Asked), 10)
	b = strconv.AppendInt(append(b, `,"asked":`...), int64(l.asked), 10)
	b = strconv.AppendInt(append(b, `,"kbps":`...), int64(l.kbps), 10)
	b = appendTexts(append(b, `,"nodes":`...), l.plan.Nodes)
	b = appendTexts(append(b, `,"links":`...), l.plan.Links)
	b = append(b, `,"on":[`...)
	for i, c := range l.plan.Charges {
		o := l.objects[c.ID]
		b = appendText(append(separate(b, i), `{"kind":`...), o.kind.String())
		b = appendText(append(b, `,"name":`...), o.name)
		b = strconv.AppendInt(append(b, `,"times":`...), int64(c.Times), 10)
		b = append(b, '}')
	}
	return append(b, `]}`...)
}

func appendParty(b []byte, p *Party) []byte {
	b = appendText(append(b, `{"node":`...), p.Node)
	b = appendTrue(b, `,"registered":true`, p.Registered)
	b = appendTrue(b, `,"stranger":true`, p.Stranger)
	b = appendTrue(b, `,"sip":true`, p.SIP)
	return append(b, '}')
}

func appendTrue(b []byte, field string, is bool) []byte {
	if !is {
		return b
	}
	return append(b, field...)
}

func appendTexts(b []byte, list []string) []byte {
	if list == nil {
		return append(b, "null"...)
	}
	b = append(b, '[')
	for i, s := range list {
		b = appendText(separate(b, i), s)
	}
	return append(b, ']')
}

func separate(b []byte, i int) []byte {
	if i == 0 {
		return b
	}
	return append(b, ',')
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

// parseLine reads a line. What it returns is within bounds.
func parseLine(line []byte) (record, error) {
	sum, body, ok := bytes.Cut(line, []byte{' '})
	if !ok || len(sum) != 8 {
		return record{}, errBadLine
	}
	want, err := strconv.ParseUint(string(sum), 16, 32)
	if err != nil || uint32(want) != crc32.ChecksumIEEE(body) {
		return record{}, errBadLine
	}
	var r record
	if err := json.Unmarshal(body, &r); err != nil {
		return record{}, fmt.Errorf("%w: %w", errBadLine, err)
	}
	if r.Boot == "" && !r.Gone && !r.sound() {
		return record{}, errBadLine
	}
	return r, nil
}

func (r *record) sound() bool {
	if r.Units > maxUnits || r.Halves < 0 || r.Halves > maxUnits || r.Streams < 0 || len(r.Lanes) > maxLanes || licensing.Kind(r.Kind) > licensing.RichMediaCall {
		return false
	}
	for _, l := range r.Lanes {
		if l.Asked < 0 || l.Kbps < 0 || l.Asked > bandwidth.MaxKbps || l.Kbps > bandwidth.MaxKbps {
			return false
		}
		for _, t := range l.Tolls {
			if _, known := kindOf(t.Kind); !known || t.Name == "" || t.Times < 1 || t.Times > maxTimes {
				return false
			}
		}
	}
	return true
}

func kindOf(text string) (bandwidth.Kind, bool) {
	for k := bandwidth.AtSubzone; k <= bandwidth.AtPipe; k++ {
		if k.String() == text {
			return k, true
		}
	}
	return 0, false
}
