package xdp

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

const (
	bpffs = "/sys/fs/bpf"
	// schema is the version of bpf/layout.h. Maps of another schema are not touched:
	// the flows are put into new ones, and then the program is replaced.
	schema = 3
)

// PinDir is where the node with this name and state directory pins its program,
// maps and links. Nodes on one machine differ in their state directories.
func PinDir(name, stateDir string) (string, error) {
	abs, err := filepath.Abs(stateDir)
	if err != nil {
		return "", fmt.Errorf("find state directory %s: %w", stateDir, err)
	}
	sum := sha256.Sum256([]byte(abs))
	return filepath.Join(bpffs, "turnpike", safeName(name)+"-"+hex.EncodeToString(sum[:4])), nil
}

// safeName leaves what bpffs takes as a file name: it refuses dots.
func safeName(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			return r
		}
		return '_'
	}, s)
}

// mountBPF mounts the BPF file system where it belongs, unless it is mounted there, or at
// least at the directory of all nodes: a service may see no more of it than that.
func mountBPF() error {
	for _, dir := range []string{bpffs, filepath.Join(bpffs, "turnpike")} {
		var st unix.Statfs_t
		if err := unix.Statfs(dir, &st); err == nil && st.Type == unix.BPF_FS_MAGIC {
			return nil
		}
	}
	if err := unix.Mount("bpf", bpffs, "bpf", 0, "mode=0700"); err != nil {
		return fmt.Errorf("mount the BPF file system (mount -t bpf bpf %s): %w", bpffs, err)
	}
	return nil
}

// pins are the directories under a node's PinDir.
type pins struct{ dir, maps string }

func openPins(dir string, flows, cpus int) (pins, error) {
	if err := mountBPF(); err != nil {
		return pins{}, err
	}
	if err := rename(dir); err != nil {
		return pins{}, err
	}
	p := pins{dir: dir, maps: filepath.Join(dir, fmt.Sprintf("v%d-%dx%d", schema, flows, cpus))}
	for _, d := range []string{p.maps, p.links()} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return pins{}, fmt.Errorf("make pin directory: %w", err)
		}
	}
	return p, nil
}

// rename takes over the directory of a node that had another name: the program in it is
// on the interfaces still, and nobody else's.
func rename(dir string) error {
	const hash = "-01234567"
	if _, err := os.Stat(dir); err == nil || len(filepath.Base(dir)) <= len(hash) {
		return nil
	}
	earlier, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), "*"+dir[len(dir)-len(hash):]))
	if len(earlier) == 0 {
		return nil
	}
	if err := os.Rename(earlier[0], dir); err != nil {
		return fmt.Errorf("take over the pins of the node's earlier name: %w", err)
	}
	return nil
}

func (p pins) links() string             { return filepath.Join(p.dir, "links") }
func (p pins) link(ifname string) string { return filepath.Join(p.links(), safeName(ifname)) }

// dropOthers removes the maps of other schemas: nothing uses them any more.
func (p pins) dropOthers() error {
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		return fmt.Errorf("read pin directory: %w", err)
	}
	for _, e := range entries {
		old := filepath.Join(p.dir, e.Name())
		if old == p.maps || old == p.links() {
			continue
		}
		if err := os.RemoveAll(old); err != nil {
			return fmt.Errorf("remove old pins: %w", err)
		}
	}
	return nil
}

// linkTo returns the pinned link to a device and where it is pinned, or nil. The device
// may have had another name when it was.
func (p pins) linkTo(ifindex int) (link.Link, string) {
	entries, err := os.ReadDir(p.links())
	if err != nil {
		return nil, ""
	}
	for _, e := range entries {
		pin := filepath.Join(p.links(), e.Name())
		l, err := link.LoadPinnedLink(pin, nil)
		if err != nil {
			continue
		}
		if linkedTo(l) == ifindex {
			return l, pin
		}
		_ = l.Close()
	}
	return nil, ""
}

// dropLinks removes the pinned links but for those to keep: of interfaces that are not the
// node's any more, which the program leaves, and of devices that are gone.
func (p pins) dropLinks(keep []string) error {
	entries, err := os.ReadDir(p.links())
	if err != nil {
		return fmt.Errorf("read pinned links: %w", err)
	}
	for _, e := range entries {
		pin := filepath.Join(p.links(), e.Name())
		if slices.Contains(keep, pin) {
			continue
		}
		if err := os.Remove(pin); err != nil {
			return fmt.Errorf("remove link of an earlier interface: %w", err)
		}
	}
	return nil
}

// Cleanup removes everything that a node pinned: its program leaves the interfaces.
// It is no error when there is nothing.
func Cleanup(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove pins: %w", err)
	}
	// The parent goes with the last node; it is another's when it is not empty. One that
	// was made for a user of their own is no node's: without it the user could not pin.
	parent := filepath.Dir(dir)
	var st unix.Stat_t
	if err := unix.Stat(parent, &st); err == nil && st.Uid != 0 {
		return nil
	}
	if err := os.Remove(parent); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTEMPTY) {
		return fmt.Errorf("remove pin directory: %w", err)
	}
	return nil
}
