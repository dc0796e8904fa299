package registrations

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"time"

	"turnpike.dev/turnpike/control/durable"
)

// keepEvery is how often the file is written where something has changed; in between what has changed is
// written beside it each second.
const keepEvery = 30 * time.Second

// kept is the file.
type kept struct {
	LastID   uint64     `json:"last_id"` // so that an ID never means another binding
	Number   uint64     `json:"number"`  // of the file, which what is written beside it comes after
	Bindings []*Binding `json:"bindings"`
}

// write writes one binding after the other: all at once would take more memory than the
// table.
func (k *kept) write(w io.Writer) error {
	if _, err := fmt.Fprintf(w, `{"last_id":%d,"number":%d,"bindings":[`, k.LastID, k.Number); err != nil {
		return err
	}
	out := json.NewEncoder(w)
	for i, b := range k.Bindings {
		if i > 0 {
			if _, err := io.WriteString(w, ","); err != nil {
				return err
			}
		}
		if err := out.Encode(b); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, "]}\n")
	return err
}

// Restore takes what an earlier process kept, before the table is used. Connections died
// with that process: who can only be reached over one is not offered until it comes again
// (RFC 5626), and keeps its place until then. Also what is beyond the limits by now stays:
// only nobody new is taken until there is room again.
func (t *Table) Restore() (int, error) {
	if t.cfg.File == "" {
		return 0, nil
	}
	k, err := readKept(t.cfg.File)
	if err != nil {
		return 0, fmt.Errorf("read the registrations of the process before, which come again by themselves: %w", err)
	}
	followed := k.follow(t.later.name)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lastID, t.number = max(t.lastID, k.LastID), k.Number
	now, restored := time.Now(), 0
	for _, b := range k.Bindings {
		if b == nil || !now.Before(b.Expires) || t.byID[b.ID] != nil || len(t.byName[b.AOR]) >= MaxContacts {
			continue
		}
		b.Flow = 0
		b.Broken = b.Outbound
		if b.Renewed.IsZero() { // kept by an earlier version
			b.Renewed = b.Since
		}
		t.lastID = max(t.lastID, b.ID)
		s := seatOf(b)
		t.cfg.Capacity.Keep(s.Device, s.Aliases, s.Proxied)
		t.link(&entry{Binding: b, seat: s})
		restored++
	}
	clear(t.fresh)
	t.changed, t.later.lost = followed, followed // nothing is written over it before Run has written the file
	return restored, nil
}

// readKept reads the file; one that is not there has nothing.
func readKept(file string) (k kept, err error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return k, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &k)
	}
	return k, err
}

// keep writes the bindings if any has changed.
func (t *Table) keep() {
	if t.cfg.File == "" {
		return
	}
	t.mu.Lock()
	if !t.changed {
		t.mu.Unlock()
		return
	}
	t.changed = false
	k := kept{LastID: t.lastID, Number: t.number + 1, Bindings: make([]*Binding, 0, len(t.byID))}
	for _, e := range t.byID {
		k.Bindings = append(k.Bindings, e.Binding)
	}
	fresh := t.fresh
	t.fresh = map[uint64]struct{}{}
	t.mu.Unlock() // bindings never change, so the rest needs no lock
	err := durable.ReplaceFileBy(t.cfg.File, k.write)
	if err == nil {
		t.number, t.failing = k.Number, false
		t.later.over()
		return
	}
	t.mu.Lock()
	t.changed = true
	maps.Copy(t.fresh, fresh)
	t.mu.Unlock()
	if !t.failing && t.cfg.Failed != nil {
		t.cfg.Failed(fmt.Errorf("keep the registrations for the next process: %w", err))
	}
	t.failing = true
}
