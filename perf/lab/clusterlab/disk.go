package clusterlab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Disk is a small file system of a node's own: its state directory.
type Disk struct {
	dir  string
	room int
}

// NewDisk gives a node that has not run yet a state directory that can be full, of some bytes. It goes with the node.
func (n *Node) NewDisk(room int) (*Disk, error) {
	if err := os.MkdirAll(n.State, 0o755); err != nil {
		return nil, err
	}
	if err := unix.Mount("turnpike-test", n.State, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0755", room)); err != nil {
		return nil, fmt.Errorf("mount a small disk for %s: %w", n.Name, err)
	}
	n.disk = &Disk{n.State, room}
	return n.disk, nil
}

func (d *Disk) filler() string { return filepath.Join(d.dir, "filler") }

// Fill leaves no room at all. What others free meanwhile it takes as well, when it is called again.
func (d *Disk) Fill() error {
	f, err := os.OpenFile(d.filler(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	page := make([]byte, os.Getpagesize())
	for err == nil {
		_, err = f.Write(page)
	}
	if errors.Is(err, unix.ENOSPC) {
		err = nil
	}
	return errors.Join(err, f.Close())
}

// Free gives back what Fill has taken.
func (d *Disk) Free() error { return os.Remove(d.filler()) }

func (d *Disk) close() error { return unix.Unmount(d.dir, unix.MNT_DETACH) }

// Writes lets the node's process write files or not: a disk that takes nothing, whatever room its files have left.
func (n *Node) Writes(may bool) error {
	limit := unix.Rlimit{Max: unix.RLIM_INFINITY}
	if may {
		limit.Cur = unix.RLIM_INFINITY
	}
	return unix.Prlimit(n.PID(), unix.RLIMIT_FSIZE, &limit, nil)
}
