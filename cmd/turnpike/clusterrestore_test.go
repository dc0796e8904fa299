package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/control/api"
)

// CA-02: a restarted node speaks to its peers when it has what an earlier process left: its first word is what is in use, and
// the rest is free for them. Its journal of relays is a pipe here, which it reads for as long as the test wants.
func TestRelaysAreBackBeforeTheClusterHears(t *testing.T) {
	p := newPair(t)
	n := p.nodes[1]
	p.stop(n, unix.SIGKILL)
	text, err := os.ReadFile(n.file)
	if err != nil {
		t.Fatal(err)
	}
	n.state += "2" // what the first start stored counts no more
	text = []byte(strings.NewReplacer("turn: {mode: off}", "turn: {mode: on}", "/state}", "/state2}").Replace(string(text)))
	journal := filepath.Join(n.state, journalFile)
	for _, err := range []error{os.WriteFile(n.file, text, 0o600), os.Mkdir(n.state, 0o700), unix.Mkfifo(journal, 0o600)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	n.process = n.host.Command(context.Background(), p.bin, "serve", "-c", n.file)
	n.process.Stdout, n.process.Stderr = &n.log, &n.log
	if err := n.process.Start(); err != nil {
		t.Fatal(err)
	}
	var held *os.File
	p.within(20*time.Second, "it reads its journal", func() bool {
		held, err = os.OpenFile(journal, os.O_WRONLY|unix.O_NONBLOCK, 0)
		return err == nil
	})
	listens := func() bool {
		tcp, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/tcp", n.process.Process.Pid))
		return err == nil && (strings.Contains(string(tcp), ":1113 00000000:0000 0A") || strings.Contains(string(tcp), ":1114 00000000:0000 0A"))
	}
	look, end := time.NewTicker(10*time.Millisecond), time.After(time.Second)
	defer look.Stop()
	for waits := true; waits; {
		select {
		case <-look.C:
			if listens() {
				t.Error("peers reach it before its relays are back")
				waits = false
			}
		case <-end:
			waits = false
		}
	}
	_ = held.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := api.NewClient(n.state).WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	p.within(10*time.Second, "it is there for its peers", listens)
}
