package mesh

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"turnpike.dev/turnpike/cluster"
)

const pinsFile = "pins.json"

// pin is what is believed of an entry since the first contact with it (CL-05).
type pin struct {
	Address string     `json:"address"`
	ID      cluster.ID `json:"id"`
	Key     string     `json:"key_sha256"`
	Since   time.Time  `json:"since"`
}

// pins are the keys of the entries, in a file.
type pins struct {
	files Files
	file  string

	writing sync.Mutex    // taken before mu: a later write never has less
	due     chan struct{} // the file is to be written by who may wait for it

	mu  sync.Mutex // nobody waits in it
	all []pin
}

func openPins(files Files, dir string) (*pins, error) {
	p := &pins{files: files, file: filepath.Join(dir, pinsFile), due: make(chan struct{}, 1)}
	data, err := files.ReadFile(p.file)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &p.all)
	}
	if err != nil {
		return nil, fmt.Errorf("read the keys of the peers: %w: if it cannot be mended, remove %s and the peers' keys are pinned anew", err, p.file)
	}
	return p, nil
}

// at returns the index of an entry's pin. p.mu is held.
func (p *pins) at(address string) int {
	return slices.IndexFunc(p.all, func(x pin) bool { return strings.EqualFold(x.Address, address) })
}

// has says whether an entry shows the key that is pinned; known is false where none is.
func (p *pins) has(address string, key [32]byte) (same, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := p.at(address)
	return i >= 0 && p.all[i].Key == hex.EncodeToString(key[:]), i >= 0
}

// judge says whether an entry may be the node id with that key. proven: its certificate says so, and the
// pin follows it. Where keep says so what is new is pinned; first reports that: then it is in the file, too.
func (p *pins) judge(address string, id cluster.ID, key [32]byte, proven bool, keep func() bool) (first bool, err error) {
	if first, err = p.decide(address, id, key, proven, keep); first {
		err = p.write()
	}
	return first, err
}

func (p *pins) decide(address string, id cluster.ID, key [32]byte, proven bool, keep func() bool) (first bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := hex.EncodeToString(key[:])
	for _, x := range p.all {
		if x.ID == id && !strings.EqualFold(x.Address, address) {
			return false, fmt.Errorf("%s says it is %s: %w", address, x.Address, ErrDuplicate)
		}
	}
	i := p.at(address)
	switch {
	case i >= 0 && p.all[i].Key == text && p.all[i].ID == id:
		return false, nil
	case i >= 0 && !proven && p.all[i].Key != text:
		return false, fmt.Errorf("key %s…, pinned %s…: %w", text[:16], p.all[i].Key[:16], ErrKey)
	case i >= 0 && !proven:
		return false, fmt.Errorf("node %s, pinned %s: %w", id, p.all[i].ID, ErrOther)
	case !keep(): // asked in here: a list that is taken meanwhile finds the pin, or has ended the entry
		return false, nil
	}
	if i >= 0 {
		p.all = slices.Delete(p.all, i, i+1)
	}
	p.all = append(p.all, pin{address, id, text, time.Now().UTC().Truncate(time.Second)})
	return true, nil
}

func (p *pins) drop(address string) error {
	if !p.without(func(x pin) bool { return strings.EqualFold(x.Address, address) }) {
		return nil
	}
	return p.write()
}

// retain drops the pins of all other entries. It does not wait for the file: who writes it is told.
func (p *pins) retain(names []string) {
	if !p.without(func(x pin) bool { return !slices.Contains(names, strings.ToLower(x.Address)) }) {
		return
	}
	select {
	case p.due <- struct{}{}:
	default:
	}
}

// without drops pins, and says whether there were any.
func (p *pins) without(is func(pin) bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.all)
	p.all = slices.DeleteFunc(p.all, is)
	return len(p.all) != n
}

// write may block.
func (p *pins) write() error {
	p.writing.Lock()
	defer p.writing.Unlock()
	p.mu.Lock()
	data, err := json.MarshalIndent(p.all, "", "  ")
	p.mu.Unlock()
	if err == nil {
		err = p.files.ReplaceFile(p.file, append(data, '\n'))
	}
	if err != nil {
		return &pinsError{err}
	}
	return nil
}

// writePins writes the file where List has dropped pins, until ctx ends, and then what is left.
func (m *Mesh) writePins(ctx context.Context) {
	for ending := false; !ending; {
		select {
		case <-ctx.Done():
			ending = true
		case <-m.pins.due:
			m.flushPins()
		}
	}
	select {
	case <-m.pins.due:
		m.flushPins()
	default:
	}
}

func (m *Mesh) flushPins() {
	if err := m.pins.write(); err != nil {
		m.cfg.Log.Warn("Cluster Keys Not Written", "Detail", err)
	}
}

// pinsError is a file of pins that was not written. They hold in memory, and the peer is spoken to: a
// full disk takes no cluster apart.
type pinsError struct{ err error }

func (e *pinsError) Error() string { return fmt.Sprintf("write the keys of the peers: %v", e.err) }
func (e *pinsError) Unwrap() error { return e.err }

// SoundPins says whether the keys of the peers in a folder can be read (OP-06); nil: yes, or there are none.
func SoundPins(files Files, dir string) error {
	_, err := openPins(files, dir)
	return err
}
