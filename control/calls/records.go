package calls

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
)

const (
	// maxRecords is the size at which the file is renamed and begun again.
	maxRecords = 64 << 20
	// maxWaiting is how many records may wait for a slow disk.
	maxWaiting = 8192
)

// Records is the file of call records: a line of JSON for each call that has ended, as
// Call is shown everywhere else. There are at most two files of 64 MiB, the one that is
// written and the one before (*.1). A nil *Records writes none.
type Records struct {
	name    string
	limit   int64
	waiting chan Call
	lost    atomic.Uint64

	f    *os.File
	size int64
}

// OpenRecords opens the file, and makes it if it is not there. Run writes to it.
func OpenRecords(name string) (*Records, error) {
	r := &Records{name: name, limit: maxRecords, waiting: make(chan Call, maxWaiting)}
	if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		return nil, fmt.Errorf("open the call records: %w", err)
	}
	return r, r.open()
}

func (r *Records) open() error {
	f, err := os.OpenFile(r.name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return fmt.Errorf("open the call records: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("open the call records: %w", err), f.Close())
	}
	r.f, r.size = f, info.Size()
	return nil
}

// write has a record written. It does not wait: a disk that is too slow costs records,
// which are counted, and never calls.
func (r *Records) write(c Call) {
	if r == nil {
		return
	}
	select {
	case r.waiting <- c:
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

// Run writes records until ctx ends, then what still waits, and closes the file.
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
					return r.f.Close()
				}
			}
		}
	}
}

func (r *Records) append(c Call) {
	line, err := json.Marshal(c)
	if err == nil && r.size+int64(len(line))+1 > r.limit {
		err = r.rotate()
	}
	if err == nil {
		var n int
		n, err = r.f.Write(append(line, '\n'))
		r.size += int64(n)
	}
	if err != nil {
		r.lost.Add(1)
	}
}

func (r *Records) rotate() error {
	if err := os.Rename(r.name, r.name+".1"); err != nil {
		return fmt.Errorf("rotate the call records: %w", err)
	}
	old := r.f
	if err := r.open(); err != nil {
		return err
	}
	return old.Close()
}
