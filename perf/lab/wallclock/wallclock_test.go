package wallclock_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"turnpike.dev/turnpike/perf/lab/wallclock"
)

const childVariable = "TURNPIKE_WALLCLOCK_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		began := time.Now()
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			now := time.Now()
			fmt.Println(now.Unix(), now.Sub(began).Milliseconds())
		}
		return
	}
	os.Exit(m.Run())
}

// A program's wall clock is off from its beginning and while it runs; the time that passes is as it was.
func TestOff(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip(wallclock.ErrUnsupported)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c, err := wallclock.Start(cmd, 0, -48*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for _, off := range []time.Duration{-48 * time.Hour, 0, 90 * time.Minute, 24 * 365 * time.Hour} {
		if err := c.Set(off); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintln(in); err != nil || !lines.Scan() {
			t.Fatal(err, lines.Err())
		}
		var now, passed int64
		if _, err := fmt.Sscan(lines.Text(), &now, &passed); err != nil {
			t.Fatal(err)
		}
		if got := time.Until(time.Unix(now, 0)); (got - off).Abs() > 10*time.Second {
			t.Errorf("it is %v off, and should be %v", got, off)
		}
		if passed < 0 || passed > 60_000 {
			t.Errorf("%d ms have passed", passed)
		}
	}
	if err := in.Close(); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
