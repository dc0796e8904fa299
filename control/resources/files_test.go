package resources

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"sync"
)

// memory is a disk that can be full, and from which the end of a file can be lost.
type memory struct {
	mu    sync.Mutex
	files map[string]*bytes.Buffer
	// room is how many bytes more it takes; negative: no limit.
	room int
}

func newMemory() *memory { return &memory{files: map[string]*bytes.Buffer{}, room: -1} }

var errFull = errors.New("no space left on device")

// Open implements files.
func (m *memory) Open(name string) (io.ReadCloser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.files[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(bytes.Clone(b.Bytes()))), nil
}

// Create implements files.
func (m *memory) Create(name string) (io.WriteCloser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := &bytes.Buffer{}
	m.files[name] = b
	return &memoryFile{m, b}, nil
}

// Rename implements files.
func (m *memory) Rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files[to] = m.files[from]
	delete(m.files, from)
	return nil
}

// text returns what is in a file.
func (m *memory) text(name string) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return bytes.Clone(m.files[name].Bytes())
}

// cut loses the end of a file.
func (m *memory) cut(name string, keep int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files[name].Truncate(keep)
}

// limit leaves room for n bytes more.
func (m *memory) limit(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.room = n
}

type memoryFile struct {
	m *memory
	b *bytes.Buffer
}

// Write implements io.Writer.
func (f *memoryFile) Write(p []byte) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if f.m.room < 0 {
		return f.b.Write(p)
	}
	n, _ := f.b.Write(p[:min(len(p), f.m.room)])
	f.m.room -= n
	if n < len(p) {
		return n, errFull
	}
	return n, nil
}

// Close implements io.Closer.
func (f *memoryFile) Close() error { return nil }

// keeping opens a journal on a disk.
func keeping(m *memory, failed func(error)) *Journal {
	j, err := openJournal("grants", "boot", m, failed)
	if err != nil {
		panic(err)
	}
	return j
}
