package alarms

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"turnpike.dev/turnpike/control/durable"
)

// maxJournal is how large the journal grows until it is written anew.
const maxJournal = 1 << 20

// maxLine bounds a line that is read back.
const maxLine = 16 << 10

// journal keeps alarms in a file: a line for each change, the checksum and the alarm. A
// line that a crash has torn is left out; the ones before it count.
type journal struct {
	path  string
	file  *os.File
	size  int64
	dirty bool // written and not synced
	torn  bool // the last line could not be written whole
}

// openJournal returns the journal and what it says: the last state of each alarm, in the
// order in which they were first written.
func openJournal(path string) (*journal, []Alarm, error) {
	j := &journal{path: path}
	kept, err := read(path)
	if err != nil {
		return nil, nil, fmt.Errorf("read the alarms: %w", err)
	}
	if err := j.rewrite(kept); err != nil {
		return nil, nil, err
	}
	return j, kept, nil
}

func read(path string) ([]Alarm, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	at := map[id]int{}
	var list []Alarm
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		a, err := decode(lines.Bytes())
		if err != nil {
			continue // torn, or of a newer version
		}
		if i, ok := at[id{a.Number, a.Key}]; ok {
			list[i] = a
			continue
		}
		at[id{a.Number, a.Key}] = len(list)
		list = append(list, a)
	}
	if err := lines.Err(); err != nil && !errors.Is(err, bufio.ErrTooLong) {
		return nil, err
	}
	return list, nil
}

// encode writes an alarm as a line: checksum, space, JSON.
func encode(a Alarm) ([]byte, error) {
	data, err := json.Marshal(a)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%08x %s\n", crc32.ChecksumIEEE(data), data), nil
}

var errTorn = errors.New("torn line")

func decode(line []byte) (Alarm, error) {
	var a Alarm
	sum, data, ok := bytes.Cut(line, []byte(" "))
	want, err := strconv.ParseUint(string(sum), 16, 32)
	if !ok || err != nil || uint32(want) != crc32.ChecksumIEEE(data) {
		return a, errTorn
	}
	if err := json.Unmarshal(data, &a); err != nil {
		return a, err
	}
	if a.State != Raised && a.State != Acknowledged && a.State != Lowered {
		return a, fmt.Errorf("state %q is not known", a.State)
	}
	return a, nil
}

// add appends a change. all gives the whole board when the file has to be written anew.
func (j *journal) add(a Alarm, all func() []Alarm) error {
	line, err := encode(a)
	if err != nil {
		return err
	}
	if j.size+int64(len(line)) > maxJournal {
		return j.rewrite(all())
	}
	if j.torn {
		line = append([]byte("\n"), line...)
	}
	n, err := j.file.Write(line)
	j.size += int64(n)
	j.dirty, j.torn = true, err != nil
	if err != nil {
		return fmt.Errorf("keep alarm %d: %w", a.Number, err)
	}
	return nil
}

// rewrite replaces the file by one with a line for each alarm: a new file, synced,
// renamed, the folder synced. A crash leaves the old one or the new one.
func (j *journal) rewrite(list []Alarm) error {
	f, err := os.OpenFile(j.path+".part", os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("keep the alarms: %w", err)
	}
	var size int64
	for _, a := range list {
		line, encodeErr := encode(a)
		n, writeErr := f.Write(line)
		size += int64(n)
		err = errors.Join(err, encodeErr, writeErr)
	}
	err = errors.Join(err, f.Sync())
	if err == nil {
		err = os.Rename(j.path+".part", j.path)
	}
	if err == nil {
		err = durable.SyncFolder(filepath.Dir(j.path))
	}
	if err != nil {
		return fmt.Errorf("keep the alarms: %w", errors.Join(err, f.Close()))
	}
	old := j.file
	j.file, j.size, j.dirty, j.torn = f, size, false, false
	if old != nil {
		return old.Close()
	}
	return nil
}

// sync brings to disk what was written.
func (j *journal) sync() error {
	if !j.dirty {
		return nil
	}
	j.dirty = false
	return j.file.Sync()
}

func (j *journal) Close() error { return errors.Join(j.sync(), j.file.Close()) }

var _ io.Closer = (*journal)(nil)
