package agreement

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"turnpike.dev/turnpike/cluster/membership"
)

// files is what a step between histories does to the disk. Each history has a folder; a small file says
// which of them counts, so that replacing it is the step, and what comes before it can be thrown away.
type files interface {
	// Path is where a history's folder is.
	Path(id string) string
	Read() ([]byte, error)
	// Replace writes the file that says which history counts.
	Replace(data []byte) error
	Copy(from, to string) error
	// Sync makes a folder durable with all that is in it.
	Sync(id string) error
	Remove(id string) error
	List() ([]string, error)
	// Room says why there is no room to go on for a while.
	Room() error
}

const (
	recordFile = "member"
	prefix     = "history-"
)

// record is the file's format.
type record struct {
	Version  int      `json:"version"`
	Cluster  string   `json:"cluster"`
	Earlier  []string `json:"earlier,omitempty"`
	Decision uint64   `json:"decision"`
}

const recordVersion = 1

func readStored(f files) (membership.Stored, error) {
	data, err := f.Read()
	if errors.Is(err, fs.ErrNotExist) {
		return membership.Stored{}, nil
	}
	var r record
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	if err == nil && r.Version != recordVersion {
		err = fmt.Errorf("its version is %d, this software reads %d", r.Version, recordVersion)
	}
	if err != nil {
		return membership.Stored{}, fmt.Errorf("read which cluster this node belongs to: %w: see `turnpike database`", err)
	}
	return membership.Stored{Cluster: r.Cluster, Earlier: r.Earlier, Decision: r.Decision}, nil
}

func writeStored(f files, s membership.Stored) error {
	data, err := json.Marshal(record{recordVersion, s.Cluster, s.Earlier, s.Decision})
	if err != nil {
		return err
	}
	return f.Replace(append(data, '\n'))
}

// sweep removes what steps that did not come to their end have left, and histories that are over.
func sweep(f files, current string) error {
	ids, err := f.List()
	for _, id := range ids {
		if id != current {
			err = errors.Join(err, f.Remove(id))
		}
	}
	return err
}

// disk is a folder.
type disk struct{ dir string }

func (d disk) Path(id string) string { return filepath.Join(d.dir, prefix+id) }

func (d disk) Read() ([]byte, error) { return os.ReadFile(filepath.Join(d.dir, recordFile)) }

func (d disk) Replace(data []byte) error {
	file := filepath.Join(d.dir, recordFile)
	f, err := os.OpenFile(file+".part", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(file+".part", file); err != nil {
		return err
	}
	return syncFolder(d.dir)
}

func (d disk) Copy(from, to string) error {
	err := os.RemoveAll(d.Path(to))
	if err != nil {
		return err
	}
	return filepath.WalkDir(d.Path(from), func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		below, err := filepath.Rel(d.Path(from), path)
		if err != nil {
			return err
		}
		target := filepath.Join(d.Path(to), below)
		if e.IsDir() {
			return os.MkdirAll(target, 0o700)
		}
		return copyFile(path, target)
	})
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

func (d disk) Sync(id string) error {
	err := filepath.WalkDir(d.Path(id), func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return syncFolder(path) // of a file too
	})
	return errors.Join(err, syncFolder(d.dir))
}

func syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// roomFile takes room for a moment, enough for some thousand lines.
const (
	roomFile = "room"
	roomSize = 1 << 20
)

func (d disk) Room() error {
	file := filepath.Join(d.dir, roomFile)
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, roomSize))
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close(), os.Remove(file))
}

func (d disk) Remove(id string) error { return os.RemoveAll(d.Path(id)) }

func (d disk) List() ([]string, error) {
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(d.dir)
	var out []string
	for _, e := range entries {
		if id, ok := strings.CutPrefix(e.Name(), prefix); ok {
			out = append(out, id)
		}
	}
	return out, err
}
