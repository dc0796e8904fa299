package resources

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
)

// Journal is a file that says what calls have, for the next process: one line for each
// change, with a checksum in front; of a grant the last line counts. It is written before
// an answer leaves and never synced: it has to outlive the process, not the machine, so
// one of another boot is empty. Where it cannot be written calls go on, and the operator
// is told that a restart would not know of them.
//
// Its methods may be called from any goroutine; a nil journal keeps nothing.
type Journal struct {
	path   string
	boot   string
	files  files
	failed func(error)
	before contents // of the process before

	mu      sync.Mutex
	file    io.WriteCloser // nil: it could not be made
	line    []byte         // to write
	lines   int            // in the file
	torn    bool           // the last line is cut off
	lacking bool           // a line is missing: only a rewrite helps
	told    bool           // that it cannot be written
	lost    uint64         // lines that were not written
	tailing bool           // it is being rewritten, and tail has what comes meanwhile
	tail    []byte
	tailed  int
}

// files is the file system as a journal needs it.
type files interface {
	Open(name string) (io.ReadCloser, error)
	Create(name string) (io.WriteCloser, error)
	Rename(from, to string) error
}

// disk is the real one.
type disk struct{}

func (disk) Open(name string) (io.ReadCloser, error) { return os.Open(name) }

func (disk) Create(name string) (io.WriteCloser, error) {
	return os.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
}

func (disk) Rename(from, to string) error { return os.Rename(from, to) }

// OpenJournal reads what a process before left in a file. The journal can be used also
// when that fails: it then begins empty. failed, if set, is told when a line cannot be
// written, once until it can.
func OpenJournal(path string, failed func(error)) (*Journal, error) {
	return openJournal(path, bootID(), disk{}, failed)
}

func openJournal(path, boot string, fs files, failed func(error)) (*Journal, error) {
	j := &Journal{path: path, boot: boot, files: fs, failed: failed, lacking: true}
	var err error
	j.before, err = j.read()
	return j, err
}

// contents is what a journal says.
type contents struct {
	lastID  uint64
	records map[uint64]record
	damaged int // lines that were left out
}

func (j *Journal) read() (contents, error) {
	f, err := j.files.Open(j.path)
	if errors.Is(err, fs.ErrNotExist) {
		return contents{}, nil
	}
	if err != nil {
		return contents{}, fmt.Errorf("read what the calls of the process before had: %w", err)
	}
	defer func() { _ = f.Close() }()
	c, err := readLines(f, j.boot)
	if err != nil {
		return c, fmt.Errorf("read what the calls of the process before had: %w", err)
	}
	return c, nil
}

// readLines reads the journal of this boot; one of another is empty. Lines that are
// damaged, as the last one often is, are left out.
func readLines(in io.Reader, boot string) (contents, error) {
	c := contents{records: map[uint64]record{}}
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	same := false
	for lines.Scan() {
		if len(lines.Bytes()) == 0 {
			continue
		}
		r, err := parseLine(lines.Bytes())
		switch {
		case err != nil:
			c.damaged++
			continue
		case r.Boot != "":
			same = r.Boot == boot
		case !same:
			return contents{}, nil
		case r.Gone:
			delete(c.records, r.ID)
		default:
			c.records[r.ID] = r
		}
		c.lastID = max(c.lastID, r.ID)
	}
	return c, lines.Err()
}

// put writes what a grant is now. The grant is locked.
func (j *Journal) put(g *Grant) {
	j.append(func(b []byte) []byte { return appendGrant(b, g.id, g.serial, g.until, g.has) })
}

// gone writes that a grant has ended.
func (j *Journal) gone(id uint64) {
	j.append(func(b []byte) []byte { return appendGone(b, id) })
}

func (j *Journal) append(fill func([]byte) []byte) {
	if j == nil {
		return
	}
	j.mu.Lock()
	tell := j.write(fill)
	j.mu.Unlock()
	if tell != nil && j.failed != nil {
		j.failed(tell)
	}
}

// write writes one line with one call, and returns an error that nobody was told yet.
func (j *Journal) write(fill func([]byte) []byte) error {
	j.line = j.line[:0]
	if j.torn {
		j.line = append(j.line, '\n') // what was cut off must not spoil this one
	}
	start := len(j.line)
	j.line = fill(j.line)
	if j.tailing {
		j.tail = append(j.tail, j.line[start:]...)
		j.tailed++
	}
	j.lines++
	err := errNoFile
	if j.file != nil {
		_, err = j.file.Write(j.line)
		j.torn = err != nil
	}
	if err == nil {
		return nil
	}
	j.lacking = true
	j.lost++
	return j.tellOnce(err)
}

var errNoFile = errors.New("the file could not be made")

// tellOnce returns the error if it is the first since the journal could be written.
func (j *Journal) tellOnce(err error) error {
	if j.told {
		return nil
	}
	j.told = true
	return fmt.Errorf("%s is not written, and a restart would not know of new calls: free space on its disk: %w", j.path, err)
}

// slack is how many lines that no longer count are not worth a rewrite.
const slack = 4096

// stale reports whether the file should be written anew: most of it counts no longer, or
// something is missing.
func (j *Journal) stale(grants int) bool {
	if j == nil {
		return false
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.lacking || j.lines > 4*grants+slack
}

// rewrite replaces the file by one that has a header and what all writes. Calls go on
// meanwhile: what they write goes into the old file, and at the end into the new one.
func (j *Journal) rewrite(last uint64, all func([]byte) (b []byte, lines int)) {
	j.mu.Lock()
	j.tailing, j.tail, j.tailed = true, nil, 0
	j.mu.Unlock()

	lines := 0
	next, err := j.files.Create(j.path + ".new")
	if err == nil {
		var b []byte
		b, lines = all(appendHeader(nil, j.boot, last))
		_, err = next.Write(b)
	}

	j.mu.Lock()
	err = j.swap(next, err, lines)
	var tell error
	if err != nil {
		tell = j.tellOnce(err)
	}
	j.mu.Unlock()
	if tell != nil && j.failed != nil {
		j.failed(tell)
	}
}

// swap puts a new file in the place of the old one.
func (j *Journal) swap(next io.WriteCloser, err error, lines int) error {
	j.tailing = false
	if err == nil && len(j.tail) > 0 {
		_, err = next.Write(j.tail)
	}
	if err == nil {
		err = j.files.Rename(j.path+".new", j.path)
	}
	if err != nil {
		if next != nil {
			_ = next.Close()
		}
		return err
	}
	if j.file != nil {
		_ = j.file.Close()
	}
	j.file, j.lines = next, lines+j.tailed
	j.torn, j.lacking, j.told, j.tail = false, false, false, nil
	return nil
}

// bootID names the machine's current boot.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(b))
}
