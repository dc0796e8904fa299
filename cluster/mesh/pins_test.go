package mesh_test

import (
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"turnpike.dev/turnpike/cluster/mesh"
)

// slowFiles is a disk that can hang.
type slowFiles struct {
	files
	hangs  atomic.Bool
	tried  chan struct{}
	enough chan struct{}
}

func (f *slowFiles) ReplaceFile(name string, data []byte) error {
	if f.hangs.Load() {
		f.tried <- struct{}{}
		<-f.enough
	}
	return f.files.ReplaceFile(name, data)
}

// CL-05: an entry that is taken out of the list loses its pin in the file too, and whoever takes it out does not wait
// for a slow disk: the member's goroutine does, which sends the heartbeats.
func TestListWaitsForNoDisk(t *testing.T) {
	disk := &slowFiles{tried: make(chan struct{}, 8), enough: make(chan struct{})}
	a, b := newNetwork(t).pair(func(c *mesh.Config) {
		if c.Self == "node-1" {
			c.Files = disk
		}
	})
	a.awaitConnected(b.addr.String())
	file := a.cfg.Dir + "/pins.json"
	has := func() bool {
		data, err := os.ReadFile(file)
		return err == nil && strings.Contains(string(data), b.addr.String())
	}
	a.until("the key is pinned", has)
	disk.hangs.Store(true)
	a.List([]string{a.addr.String()}, 0, nil)
	<-disk.tried
	a.List([]string{a.addr.String(), "127.71.250.1"}, 0, nil)
	a.List([]string{a.addr.String()}, 0, nil) // while the file is written
	disk.hangs.Store(false)
	close(disk.enough)
	a.until("the pin is dropped", func() bool { return !has() })
}
