package calls

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
)

const (
	// maxRecords is the size at which the file is renamed and begun again.
	maxRecords = 64 << 20
	// maxWaiting is how many records may wait for a slow disk.
	maxWaiting = 8192
)

// Records are the files of call records: a line of JSON for each call that has ended, as
// Call is shown everywhere else. Calls that this node did not let begin are in a file of
// their own: whoever has a thousand a minute refused cannot push the others out. Of each
// there are at most two files of 64 MiB, the one that is written and the one before (*.1).
// A nil *Records writes none.
type Records struct {
	carried, refused *lines
	waiting          chan *Call
	line             []byte // of Run, used again and again
	lost             atomic.Uint64
}

// OpenRecords opens the files, and makes them if they are not there; that of refused calls
// is beside the other: calls.jsonl and calls-refused.jsonl. Run writes to them.
func OpenRecords(name string) (*Records, error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		return nil, fmt.Errorf("open the call records: %w", err)
	}
	carried, err := openLines(name)
	if err != nil {
		return nil, err
	}
	ending := filepath.Ext(name)
	refused, err := openLines(strings.TrimSuffix(name, ending) + "-refused" + ending)
	if err != nil {
		return nil, errors.Join(err, carried.f.Close())
	}
	return &Records{carried: carried, refused: refused, waiting: make(chan *Call, maxWaiting)}, nil
}

// write has a record written. It does not wait: a disk that is too slow costs records,
// which are counted, and never calls.
func (r *Records) write(c Call) {
	if r == nil {
		return
	}
	select {
	case r.waiting <- &c:
	default:
		r.lost.Add(1)
	}
}

// Lost is how many records were not written.
func (r *Records) Lost() uint64 {
	if r == nil {
		return 0
	}
	return r.lost.Load()
}

// Run writes records until ctx ends, then what still waits, and closes the files.
func (r *Records) Run(ctx context.Context) error {
	if r == nil {
		return nil
	}
	for {
		select {
		case c := <-r.waiting:
			r.append(c)
		case <-ctx.Done():
			for {
				select {
				case c := <-r.waiting:
					r.append(c)
				default:
					return errors.Join(r.carried.f.Close(), r.refused.f.Close())
				}
			}
		}
	}
}

func (r *Records) append(c *Call) {
	to := r.carried
	if c.Cause != nil && c.Cause.By == ByNode {
		switch c.Cause.Kind {
		case Denied, Overloaded, NoLicence, NoBandwidth:
			to = r.refused
		}
	}
	r.line = append(appendCall(r.line[:0], c), '\n')
	if err := to.append(r.line); err != nil {
		r.lost.Add(1)
	}
}

// lines is a file of lines that cannot fill the disk.
type lines struct {
	name  string
	limit int64
	f     *os.File
	size  int64
}

func openLines(name string) (*lines, error) {
	l := &lines{name: name, limit: maxRecords}
	return l, l.open()
}

func (l *lines) open() error {
	f, err := os.OpenFile(l.name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return fmt.Errorf("open the call records: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("open the call records: %w", err), f.Close())
	}
	l.f, l.size = f, info.Size()
	return nil
}

func (l *lines) append(line []byte) error {
	if l.size+int64(len(line)) > l.limit {
		if err := l.rotate(); err != nil {
			return err
		}
	}
	n, err := l.f.Write(line)
	l.size += int64(n)
	return err
}

func (l *lines) rotate() error {
	if err := os.Rename(l.name, l.name+".1"); err != nil {
		return fmt.Errorf("rotate the call records: %w", err)
	}
	old := l.f
	if err := l.open(); err != nil {
		return err
	}
	return old.Close()
}
