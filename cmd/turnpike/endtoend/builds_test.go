package endtoend_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"

	"turnpike.dev/turnpike/perf/lab/nodetest"
)

// The programs of an upgrade: they are what the next version might be.

// root is the module's folder.
const root = "../../.."

// otherProgram has a BPF program with another constant in it.
var otherProgram = sync.OnceValues(func() (string, error) {
	object, err := otherObject()
	if err != nil {
		return "", err
	}
	return buildWith("turnpike-program", map[string]string{"bpf/relay_bpfel.o": object})
})

// otherSchema has other maps as well: those of today are not touched by it.
var otherSchema = sync.OnceValues(func() (string, error) {
	object, err := otherObject()
	if err != nil {
		return "", err
	}
	pins, err := edited("dataplane/xdp/pins.go", `(\n\tschema = )\d+`, "${1}999")
	if err != nil {
		return "", err
	}
	return buildWith("turnpike-schema", map[string]string{
		"bpf/relay_bpfel.o": object, "dataplane/xdp/pins.go": pins,
	})
})

// otherObject compiles the BPF program with another idea of when an owner is stale.
var otherObject = sync.OnceValues(func() (string, error) {
	dir, err := nodetest.Folder()
	if err != nil {
		return "", err
	}
	layout, err := edited("bpf/layout.h", `(OWNER_STALE_NS )\d+ULL`, "${1}1200000000ULL")
	if err != nil {
		return "", err
	}
	sources := filepath.Join(dir, "bpf")
	if err := errors.Join(os.MkdirAll(sources, 0o755), copyFiles(sources, root+"/bpf/*.[ch]"),
		os.Rename(layout, filepath.Join(sources, "layout.h"))); err != nil {
		return "", err
	}
	object := filepath.Join(dir, "relay.o")
	err = run("clang-14", "-O2", "-mcpu=v3", "-g", "-target", "bpfel", "-I/usr/include/x86_64-linux-gnu",
		"-c", filepath.Join(sources, "turnpike.bpf.c"), "-o", object)
	return object, err
})

// edited copies a source with one place changed, and returns where it is.
func edited(source, pattern, replacement string) (string, error) {
	dir, err := nodetest.Folder()
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(root, source))
	if err != nil {
		return "", err
	}
	place := regexp.MustCompile(pattern)
	if n := len(place.FindAll(text, -1)); n != 1 {
		return "", fmt.Errorf("%s has %d places like %s, want 1", source, n, pattern)
	}
	copied := filepath.Join(dir, filepath.Base(source))
	return copied, os.WriteFile(copied, place.ReplaceAll(text, []byte(replacement)), 0o600)
}

func copyFiles(to, pattern string) error {
	files, err := filepath.Glob(pattern)
	for _, f := range files {
		data, readErr := os.ReadFile(f)
		err = errors.Join(err, readErr, os.WriteFile(filepath.Join(to, filepath.Base(f)), data, 0o600))
	}
	return err
}

// buildWith builds the program with some files of the module replaced.
func buildWith(name string, replaced map[string]string) (string, error) {
	dir, err := nodetest.Folder()
	if err != nil {
		return "", err
	}
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for source, by := range replaced {
		abs, err := filepath.Abs(filepath.Join(root, source))
		if err != nil {
			return "", err
		}
		overlay.Replace[abs] = by
	}
	text, err := json.Marshal(overlay)
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, name+".json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return "", err
	}
	return nodetest.Build(name, file)
}

func run(program string, args ...string) error {
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w (make deps installs what is missing)\n%s", program, err, out)
	}
	return nil
}
