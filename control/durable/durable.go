// Package durable writes small files so that they outlive a loss of power whole: the old
// content or the new, never a part.
//
// It exists because four things have to happen in one order (write beside, sync, rename,
// sync the folder), and leaving out any of them shows only after a crash.
package durable

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// ReplaceFile writes a file whole or not at all, readable to its owner only.
func ReplaceFile(file string, data []byte) error {
	return ReplaceFileBy(file, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// ReplaceFileBy is ReplaceFile for what is too much to have in memory at once.
func ReplaceFileBy(file string, fill func(io.Writer) error) error {
	part := file + ".part"
	err := write(part, fill)
	if err == nil {
		err = os.Rename(part, file)
	}
	if err == nil {
		err = SyncFolder(filepath.Dir(file))
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(file), err)
	}
	return nil
}

func write(file string, fill func(io.Writer) error) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	if err = fill(w); err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// SyncFolder makes durable which files a folder has, under which names.
func SyncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
