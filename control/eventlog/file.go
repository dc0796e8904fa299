package eventlog

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// maxFile is the size at which the log file is renamed and begun again.
const maxFile = 64 << 20

// file is a log file that cannot fill the disk: there are at most two of maxFile.
type file struct {
	mu    sync.Mutex
	name  string
	f     *os.File
	size  int64
	limit int64
}

func openFile(name string, limit int64) (*file, error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		return nil, fmt.Errorf("open the event log: %w", err)
	}
	l := &file{name: name, limit: limit}
	return l, l.open()
}

func (l *file) open() error {
	f, err := os.OpenFile(l.name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return fmt.Errorf("open the event log: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return fmt.Errorf("open the event log: %w", err)
	}
	l.f, l.size = f, info.Size()
	return nil
}

// Write appends one record.
func (l *file) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size+int64(len(p)) > l.limit {
		if err := l.rotate(); err != nil {
			return 0, err
		}
	}
	n, err := l.f.Write(p)
	l.size += int64(n)
	return n, err
}

func (l *file) rotate() error {
	if err := os.Rename(l.name, l.name+".1"); err != nil {
		return fmt.Errorf("rotate the event log: %w", err)
	}
	old := l.f
	if err := l.open(); err != nil {
		return err
	}
	return old.Close()
}

// Sync implements zapcore.WriteSyncer. Records outlive the process without it.
func (l *file) Sync() error { return nil }

// Close closes the file.
func (l *file) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.f.Close()
}
