package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"turnpike.dev/turnpike/control/durable"
)

// Files is the folder that a store lives in: as little of a file system as it needs,
// so that a test can end it at every step.
type Files interface {
	// List returns the names in the folder.
	List() ([]string, error)
	Read(name string) ([]byte, error)
	// Create makes a file that is not there or empties the one that is.
	Create(name string) (File, error)
	Rename(from, to string) error
	Remove(name string) error
	// Sync makes durable which files there are, under which names.
	Sync() error
}

// File is a file that is written once from start to end.
type File interface {
	io.Writer
	Sync() error
	Close() error
}

// Dir is a folder of the operating system.
type Dir string

var _ Files = Dir("")

// OpenDir makes a folder that only its owner may look into.
func OpenDir(path string) (Dir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return "", fmt.Errorf("make the configuration's folder: %w", err)
	}
	return Dir(path), durable.SyncFolder(filepath.Dir(path))
}

// List returns the names in the folder.
func (d Dir) List() ([]string, error) {
	entries, err := os.ReadDir(string(d))
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, err
}

// Read returns what is in a file.
func (d Dir) Read(name string) ([]byte, error) { return os.ReadFile(d.path(name)) }

// Create makes or empties a file that only its owner may read.
func (d Dir) Create(name string) (File, error) {
	return os.OpenFile(d.path(name), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
}

// Rename gives a file another name; what had it is gone.
func (d Dir) Rename(from, to string) error { return os.Rename(d.path(from), d.path(to)) }

// Remove removes a file.
func (d Dir) Remove(name string) error { return os.Remove(d.path(name)) }

// Sync makes the names in the folder durable.
func (d Dir) Sync() error { return durable.SyncFolder(string(d)) }

func (d Dir) path(name string) string { return filepath.Join(string(d), name) }

// replace writes a file whole or not at all.
func replace(files Files, name string, data []byte) error {
	part := name + partSuffix
	if err := write(files, part, data); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", name, err), files.Remove(part))
	}
	if err := files.Rename(part, name); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", name, err), files.Remove(part))
	}
	if err := files.Sync(); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

func write(files Files, name string, data []byte) error {
	f, err := files.Create(name)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
