package xdp

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cilium/ebpf"

	"turnpike.dev/turnpike/bpf"
)

// ErrNotActive means that no packet meets the program yet.
var ErrNotActive = errors.New("the XDP program does not run yet")

// Share prepares a program that relays as the back end's own does and something besides:
// it gives the program's constants to the spec, and returns the maps, by the names in the
// spec, that the two must have in common. Close them when the program is loaded.
func (b *Backend) Share(spec *ebpf.CollectionSpec) (_ map[string]*ebpf.Map, err error) {
	if err := b.setConstants(spec); err != nil {
		return nil, err
	}
	shared := map[string]*ebpf.Map{}
	defer func() {
		if err != nil {
			for _, m := range shared {
				err = errors.Join(err, m.Close())
			}
		}
	}()
	for name, m := range spec.Maps {
		if name == variables {
			m.Name = "tables"
		}
		if m.Name[0] == '.' {
			continue // constants and variables belong to one program
		}
		pinned, err := b.open(m.Name)
		if errors.Is(err, os.ErrNotExist) {
			continue // the program's own
		}
		if err != nil {
			return nil, fmt.Errorf("open the relay's map %s: %w", m.Name, err)
		}
		shared[name] = pinned
		m.MaxEntries, m.Contents = pinned.MaxEntries(), nil
		m.Flags = pinned.Flags()
	}
	return shared, nil
}

// open opens a map of the relay's for another program.
func (b *Backend) open(name string) (*ebpf.Map, error) {
	if name == bpf.RelayMapCrowds {
		return b.maps.Crowds.Clone() // not pinned
	}
	return ebpf.LoadPinnedMap(filepath.Join(b.pins.maps, name), nil)
}

// StandIn puts another program in the place of the back end's own on every interface,
// without a packet in between; nil brings the own one back. The program must have the
// maps of Share. It stays until the next process starts, if this one ends first.
func (b *Backend) StandIn(p *ebpf.Program) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.active {
		return ErrNotActive
	}
	if p == nil {
		p = b.prog
	}
	err := b.exchange(p)
	if err != nil && p != b.prog {
		err = errors.Join(err, b.exchange(b.prog))
	}
	return err
}

// exchange replaces the program where it is attached.
func (b *Backend) exchange(p *ebpf.Program) error {
	b.running, b.progID = p, programID(p)
	var errs []error
	for _, a := range b.attached {
		if a.mode == ModeNone || a.link == nil {
			continue
		}
		if err := a.link.Update(p); err != nil {
			errs = append(errs, fmt.Errorf("replace the program on %s: %w", a.name, explain(err)))
		}
	}
	return errors.Join(errs...)
}
