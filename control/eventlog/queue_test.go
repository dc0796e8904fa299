package eventlog

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

func TestQueueWritesInOrder(t *testing.T) {
	var out bytes.Buffer
	q := NewQueue(&out)
	for _, r := range []string{"a\n", "b\n", "c\n"} {
		if _, err := io.WriteString(q, r); err != nil {
			t.Fatal(err)
		}
	}
	q.Close()
	if out.String() != "a\nb\nc\n" {
		t.Errorf("got %q", out.String())
	}
}

func TestQueueNeverBlocks(t *testing.T) {
	r, w := io.Pipe() // blocks until it is read
	q := NewQueue(w)
	for range 2 * queued {
		_, _ = q.Write([]byte("x\n"))
	}
	read := make(chan string)
	go func() {
		all, _ := io.ReadAll(r)
		read <- string(all)
	}()
	q.Close()
	_ = w.Close()
	if all := <-read; !strings.Contains(all, "records lost") || strings.Count(all, "x\n") > queued+1 {
		t.Errorf("%d records, losses told: %t", strings.Count(all, "x\n"), strings.Contains(all, "records lost"))
	}
}
