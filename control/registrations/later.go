package registrations

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
)

// maxLater bounds how much is written between two times that the file is: then the file cannot be written for long.
const maxLater = 64 << 20

var errLater = errors.New("too much has changed since the file was written")

// later is a file beside the file: what has changed since that was written. It is not synced, so it outlives a process that is
// killed, and not a loss of power.
type later struct {
	name string
	out  *os.File // nil: nothing has changed yet
	size int64
	lost bool // some of it was not written: what follows is of no use until the file is written again
}

// laterLine is one of its lines, in their order.
type laterLine struct {
	// After, of the first, is the number of the file that all of them come after.
	After *uint64 `json:"after,omitempty"`
	// Is is what a binding is now; Gone is the ID of one that there is no more.
	Is   *Binding `json:"is,omitempty"`
	Gone uint64   `json:"gone,omitempty"`
}

// note notes that a binding has come, changed or gone. t.mu is held.
func (t *Table) note(id uint64) {
	t.changed = true
	if t.cfg.File != "" {
		t.fresh[id] = struct{}{}
	}
}

// keepLater writes what has changed since the last time.
func (t *Table) keepLater() {
	t.mu.Lock()
	if len(t.fresh) == 0 {
		t.mu.Unlock()
		return
	}
	lines := make([]laterLine, 0, len(t.fresh))
	for id := range t.fresh {
		if e := t.byID[id]; e != nil {
			lines = append(lines, laterLine{Is: e.Binding})
		} else {
			lines = append(lines, laterLine{Gone: id})
		}
	}
	clear(t.fresh)
	t.mu.Unlock() // bindings never change, so the rest needs no lock
	t.later.add(t.number, lines)
}

// add writes lines. What fails is not told: the file is written soon, and that says it.
func (l *later) add(after uint64, lines []laterLine) {
	if l.lost {
		return
	}
	err := l.open(after)
	if err == nil {
		err = l.write(lines)
	}
	if err != nil {
		l.end()
		l.lost = true
	}
}

// open begins the file with the number of the one that it comes after.
func (l *later) open(after uint64) (err error) {
	if l.out != nil {
		return nil
	}
	if l.out, err = os.OpenFile(l.name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600); err != nil {
		l.out = nil
		return err
	}
	l.size = 0
	return l.write([]laterLine{{After: &after}})
}

func (l *later) write(lines []laterLine) error {
	w := bufio.NewWriterSize(l, 64<<10)
	out := json.NewEncoder(w)
	for _, line := range lines {
		if err := out.Encode(line); err != nil {
			return err
		}
	}
	return w.Flush()
}

// Write implements io.Writer.
func (l *later) Write(p []byte) (int, error) {
	if l.size += int64(len(p)); l.size > maxLater {
		return 0, errLater
	}
	return l.out.Write(p)
}

// end closes it.
func (l *later) end() {
	if l.out != nil {
		_ = l.out.Close() // it was never meant to outlive more than this process
		l.out = nil
	}
}

// over is the end of all that was written: the file has it.
func (l *later) over() {
	l.end()
	l.lost = false
	_ = os.Remove(l.name) // one that stays comes after another file than the one that there is now
}

// follow lets what was kept become what it was later, and says whether anything did. Whatever cannot be read was not written to its
// end.
func (k *kept) follow(name string) (some bool) {
	f, err := os.Open(name)
	if err != nil {
		return false // nothing has changed
	}
	defer f.Close()
	in := json.NewDecoder(bufio.NewReaderSize(io.LimitReader(f, maxLater), 64<<10))
	var begin laterLine
	if in.Decode(&begin) != nil || begin.After == nil || *begin.After != k.Number {
		return false
	}
	at := make(map[uint64]int, len(k.Bindings))
	for i, b := range k.Bindings {
		if b != nil {
			at[b.ID] = i
		}
	}
	for ; ; some = true {
		var line laterLine
		if in.Decode(&line) != nil {
			return some
		}
		k.become(at, line)
	}
}

func (k *kept) become(at map[uint64]int, line laterLine) {
	id := line.Gone
	if line.Is != nil {
		id = line.Is.ID
	}
	k.LastID = max(k.LastID, id)
	i, there := at[id]
	switch {
	case there:
		k.Bindings[i] = line.Is
	case line.Is != nil:
		at[id] = len(k.Bindings)
		k.Bindings = append(k.Bindings, line.Is)
	}
}
