package turn

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// The journal holds what a next process needs to go on with the allocations: one
// line for each change, with a checksum in front; of an allocation the last line
// counts. It is written before the success answer leaves and never synced: it has
// to outlive the process, not the machine. Deadlines are nanoseconds of
// CLOCK_MONOTONIC, so a journal of another boot means nothing and is ignored.
// It holds names but no keys: these are derived from the configuration again.

// compactFactor and compactSlack say when the journal is written anew: at that many
// times what of it still counts.
const (
	compactFactor = 4
	compactSlack  = 64 << 10
)

// record is a line of the journal: an allocation as it stands, or its end.
type record struct {
	// Boot is set in the first line only, together with the last id used.
	Boot string `json:"boot,omitempty"`
	ID   uint64 `json:"id"`
	Gone bool   `json:"gone,omitempty"`

	User        string         `json:"user,omitempty"`
	Secret      string         `json:"secret,omitempty"` // tag of the shared secret
	Client      netip.AddrPort `json:"client,omitzero"`
	Server      netip.AddrPort `json:"server,omitzero"`
	Transaction []byte         `json:"tx,omitempty"`
	Granted     int64          `json:"granted,omitempty"` // seconds
	Created     int64          `json:"created,omitempty"`
	Relays      []relayRecord  `json:"relays,omitempty"`
}

type relayRecord struct {
	Local       netip.AddrPort     `json:"local"`
	Expires     int64              `json:"exp"`
	Permissions []permissionRecord `json:"perm,omitempty"`
	Channels    []channelRecord    `json:"chan,omitempty"`
}

type permissionRecord struct {
	Peer    netip.Addr `json:"p"`
	Expires int64      `json:"e"`
}

type channelRecord struct {
	Number  uint16         `json:"n"`
	Peer    netip.AddrPort `json:"p"`
	Expires int64          `json:"e"`
}

// journal is an open journal file.
type journal struct {
	path string
	boot string
	file *os.File
	size int // bytes in the file
	live int // bytes of it that count
	torn bool
}

// createJournal replaces the journal at path by one that holds the records.
func createJournal(path, boot string, lastID uint64, records []record) (*journal, []int, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, nil, fmt.Errorf("create the journal's folder: %w", err)
	}
	// The new one is complete before it takes the old one's place.
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("create journal: %w", err)
	}
	j := &journal{path: path, boot: boot, file: f}
	sizes, err := j.fill(lastID, records)
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		_ = f.Close()
		return nil, nil, fmt.Errorf("write journal %s: %w", path, err)
	}
	return j, sizes, nil
}

func (j *journal) fill(lastID uint64, records []record) ([]int, error) {
	sizes := make([]int, len(records))
	buf := appendLine(nil, record{Boot: j.boot, ID: lastID})
	for i, r := range records {
		before := len(buf)
		buf = appendLine(buf, r)
		sizes[i] = len(buf) - before
		j.live += sizes[i]
	}
	n, err := j.file.Write(buf)
	j.size = n
	return sizes, err
}

// append writes one record and returns its size.
func (j *journal) append(r record) (int, error) {
	var line []byte
	if j.torn {
		line = append(line, '\n') // what was cut off must not spoil this one
	}
	line = appendLine(line, r)
	n, err := j.file.Write(line)
	j.size += n
	j.torn = err != nil
	return len(line), err
}

// bloated reports whether most of the file no longer counts.
func (j *journal) bloated() bool { return j.size > compactFactor*j.live+compactSlack }

func (j *journal) close() { _ = j.file.Close() }

// appendLine appends "crc json\n".
func appendLine(b []byte, r record) []byte {
	const sum = "00000000 "
	start := len(b) + len(sum)
	b = append(b, sum...)
	b = r.appendJSON(b)
	var crc [4]byte
	binary.BigEndian.PutUint32(crc[:], crc32.ChecksumIEEE(b[start:]))
	hex.Encode(b[start-len(sum):], crc[:])
	return append(b, '\n')
}

var errBadLine = errors.New("journal line is damaged")

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
		return record{}, errBadLine
	}
	return r, nil
}

// contents is what a journal says.
type contents struct {
	lastID  uint64
	records map[uint64]record
	damaged int // lines that were left out
}

// maxLine bounds a line: an allocation with all its permissions and channels.
const maxLine = 1 << 20

// readJournal reads the journal of this boot; one of another boot is empty.
func readJournal(in io.Reader, boot string) (contents, error) {
	c := contents{records: make(map[uint64]record)}
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	sameBoot := false
	for lines.Scan() {
		r, err := parseLine(lines.Bytes())
		switch {
		case err != nil:
			if len(lines.Bytes()) > 0 {
				c.damaged++
			}
		case r.Boot != "":
			sameBoot = r.Boot == boot
			c.lastID = max(c.lastID, r.ID)
		case !sameBoot:
			return contents{}, nil
		default:
			c.apply(r)
		}
	}
	return c, lines.Err()
}

func (c *contents) apply(r record) {
	c.lastID = max(c.lastID, r.ID)
	if r.Gone {
		delete(c.records, r.ID)
		return
	}
	c.records[r.ID] = r
}

// bootID names the machine's current boot.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(b))
}
