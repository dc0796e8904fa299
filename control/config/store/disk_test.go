package store

import (
	"errors"
	"io/fs"
	"maps"
	"slices"
)

// disk is a folder that may lose power. What was not synced is then gone, half there
// or all there, as the test wants it.
type disk struct {
	now     map[string]*inode
	durable map[string]*inode // what names there are after a loss of power
	steps   int               // made so far
	failAt  int               // the step that fails; 0: none
	dead    bool              // after the failing step nothing works any more
	off     bool
}

type inode struct{ data, synced []byte }

func newDisk() *disk { return &disk{now: map[string]*inode{}, durable: map[string]*inode{}} }

var errBroken = errors.New("broken")

// step counts what changes the disk and fails when its time has come.
func (d *disk) step() error {
	d.steps++
	if d.off || d.steps == d.failAt {
		d.off = d.dead
		return errBroken
	}
	return nil
}

func (d *disk) List() ([]string, error) {
	return slices.Sorted(maps.Keys(d.now)), nil
}

func (d *disk) Read(name string) ([]byte, error) {
	if i, ok := d.now[name]; ok {
		return slices.Clone(i.data), nil
	}
	return nil, fs.ErrNotExist
}

func (d *disk) Create(name string) (File, error) {
	if err := d.step(); err != nil {
		return nil, err
	}
	d.now[name] = &inode{}
	return &diskFile{d, d.now[name]}, nil
}

func (d *disk) Rename(from, to string) error {
	if err := d.step(); err != nil {
		return err
	}
	d.now[to] = d.now[from]
	delete(d.now, from)
	return nil
}

func (d *disk) Remove(name string) error {
	if err := d.step(); err != nil {
		return err
	}
	if d.now[name] == nil {
		return fs.ErrNotExist
	}
	delete(d.now, name)
	return nil
}

func (d *disk) Sync() error {
	if err := d.step(); err != nil {
		return err
	}
	d.durable = maps.Clone(d.now)
	return nil
}

type diskFile struct {
	d *disk
	i *inode
}

func (f *diskFile) Write(p []byte) (int, error) {
	if err := f.d.step(); err != nil {
		f.i.data = append(f.i.data, p[:len(p)/2]...)
		return len(p) / 2, err
	}
	f.i.data = append(f.i.data, p...)
	return len(p), nil
}

func (f *diskFile) Sync() error {
	if err := f.d.step(); err != nil {
		return err
	}
	f.i.synced = slices.Clone(f.i.data)
	return nil
}

func (f *diskFile) Close() error { return nil }

// outcome says what became of what was not synced.
type outcome struct {
	names bool // names that were not synced are there
	part  int  // of what was not synced in a file: 0 none, 1 half, 2 all
}

var outcomes = []outcome{{false, 0}, {false, 1}, {false, 2}, {true, 0}, {true, 1}, {true, 2}}

// afterPowerLoss returns the disk as the next start finds it.
func (d *disk) afterPowerLoss(o outcome) *disk {
	names := d.durable
	if o.names {
		names = d.now
	}
	next := newDisk()
	for name, i := range names {
		data := i.synced
		if len(i.data) > len(data) {
			data = i.data[:len(data)+(len(i.data)-len(data))*o.part/2]
		}
		next.now[name] = &inode{slices.Clone(data), slices.Clone(data)}
	}
	next.durable = maps.Clone(next.now)
	return next
}

// clone returns a disk that may be broken without breaking d.
func (d *disk) clone() *disk { return d.afterPowerLoss(outcome{true, 2}) }
