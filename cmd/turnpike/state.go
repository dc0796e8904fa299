package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/durable"
	"turnpike.dev/turnpike/dataplane/xdp"
)

// Files of a state directory. Besides them there is the event log.
const (
	lockFile    = "node.lock"
	idFile      = "node.id"
	nonceFile   = "nonce.key"
	journalFile = "turn.journal"
	alarmsFile  = "alarms.journal"
	boundFile   = "registrations.journal"
	grantsFile  = "grants.journal"
	configDir   = "config" // revisions of the configuration, and the system key
)

// stateDir is a node's state directory, held by this process alone.
type stateDir struct {
	path  string
	lock  *os.File
	id    string
	nonce []byte
}

// openState takes a state directory, making it when it is not there.
func openState(path string) (*stateDir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("find the state directory: %w", err)
	}
	if err := os.MkdirAll(path, 0o750); err != nil {
		return nil, fmt.Errorf("make the state directory: %w: choose another with system.state", err)
	}
	lock, err := lockState(path)
	if err != nil {
		return nil, err
	}
	s := &stateDir{path: path, lock: lock}
	id, err := keep(filepath.Join(path, idFile), 16)
	if err == nil {
		s.id = hex.EncodeToString(id)
		s.nonce, err = keep(filepath.Join(path, nonceFile), 32)
	}
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return s, nil
}

// file names a file of the directory.
func (s *stateDir) file(name string) string { return filepath.Join(s.path, name) }

// close lets go of the directory.
func (s *stateDir) close() error { return s.lock.Close() }

// dyingTime is how long a killed process may take to give its lock back: freeing its
// memory comes first.
const dyingTime = time.Second

// lockState makes sure that one process at a time uses a state directory. The
// kernel gives the lock back however the process ends.
func lockState(path string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(path, lockFile), os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, fmt.Errorf("lock the state directory: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	for until := time.Now().Add(dyingTime); errors.Is(err, unix.EWOULDBLOCK) && time.Now().Before(until); {
		time.Sleep(dyingTime / 50)
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
		pid, _ := os.ReadFile(f.Name())
		return nil, errors.Join(fmt.Errorf("a node is alive with state directory %s (pid %s): stop it first", path, strings.TrimSpace(string(pid))), f.Close())
	}
	if err == nil {
		err = errors.Join(f.Truncate(0), writeAt(f, fmt.Sprintln(os.Getpid())))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock the state directory: %w", err), f.Close())
	}
	return f, nil
}

func writeAt(f *os.File, s string) error {
	_, err := f.WriteAt([]byte(s), 0)
	return err
}

// keep reads n random bytes from a file, making them at the first start. They are
// kept in hexadecimal digits.
func keep(file string, n int) ([]byte, error) {
	data, err := os.ReadFile(file)
	if err == nil {
		if key, err := hex.DecodeString(strings.TrimSpace(string(data))); err == nil && len(key) == n {
			return key, nil
		}
		return nil, fmt.Errorf("%s is damaged: delete it and start again", file)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read %s: %w", filepath.Base(file), err)
	}
	key := make([]byte, n)
	_, _ = rand.Read(key) // never fails (crypto/rand)
	if err := durable.ReplaceFile(file, []byte(hex.EncodeToString(key)+"\n")); err != nil {
		return nil, err
	}
	return key, nil
}

// removeState removes a node's pins and what it keeps in its state directory. It
// refuses while a process uses the directory. Files that are not a node's stay, and
// the directory with them.
func removeState(path string) error {
	path, unlock, err := lockUnused(path)
	if err != nil {
		return err
	}
	defer unlock()
	if err := removePins(path); err != nil {
		return err
	}
	for _, pattern := range []string{api.SocketName, journalFile + "*", alarmsFile + "*", boundFile + "*", grantsFile + "*", "calls*.jsonl*", nonceFile + "*", idFile + "*", "event.log*", configDir + "/revision-*", configDir + "/system.key*", configDir + "/node-file*", configDir, certificateFiles(), certificatesDir, resetFile + "*", lockFile} {
		files, _ := filepath.Glob(filepath.Join(path, pattern)) // the patterns are right
		for _, f := range files {
			if err := os.Remove(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("remove state: %w", err)
			}
		}
	}
	if err := os.RemoveAll(filepath.Join(path, clusterDir)); err != nil {
		return fmt.Errorf("remove state: %w", err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("remove the state directory: %w", err)
	}
	return nil
}

// removeFromKernel removes a node's pins and keeps its state directory, also only while
// no process uses it.
func removeFromKernel(path string) error {
	path, unlock, err := lockUnused(path)
	if err != nil {
		return err
	}
	defer unlock()
	return removePins(path)
}

// lockUnused makes sure that no process uses a state directory, which may not be there,
// and keeps others out until unlock.
func lockUnused(path string) (abs string, unlock func(), err error) {
	path, err = filepath.Abs(path)
	if err != nil {
		return "", nil, fmt.Errorf("find the state directory: %w", err)
	}
	if _, err := os.Stat(path); err != nil {
		return path, func() {}, nil
	}
	lock, err := lockState(path)
	if err != nil {
		return "", nil, err
	}
	return path, func() { _ = lock.Close() }, nil
}

// removePins finds the pins by the state directory alone: the node's name may be
// forgotten or may have changed.
func removePins(path string) error {
	dir, err := xdp.PinDir("x", path)
	if err != nil {
		return err
	}
	own, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), "*"+strings.TrimPrefix(filepath.Base(dir), "x")))
	for _, d := range own {
		if err := xdp.Cleanup(d); err != nil {
			return err
		}
	}
	return nil
}
