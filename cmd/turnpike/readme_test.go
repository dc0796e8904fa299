package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"turnpike.dev/turnpike/control/config"
)

var block = regexp.MustCompile("(?s)```([a-z]+)\n(.*?)```")

// readme returns the commands and the node file that README shows.
func readme(t *testing.T) (commands []string, file string) {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range block.FindAllStringSubmatch(string(text), -1) {
		switch m[1] {
		case "sh":
			for line := range strings.SplitSeq(strings.TrimSpace(m[2]), "\n") {
				line, _, _ = strings.Cut(line, " #")
				commands = append(commands, strings.TrimPrefix(strings.TrimSpace(line), "sudo "))
			}
		case "yaml":
			file = m[2]
		}
	}
	return commands, file
}

func TestReadmeVerbsExist(t *testing.T) {
	commands, _ := readme(t)
	makes := map[string]string{"make run": "bin/turnpike dev", "make demo": "bin/turnpike demo", "make demo-cluster": "bin/turnpike demo cluster"}
	for command, runs := range makes {
		found := false
		for _, c := range commands {
			found = found || c == command
		}
		if !found {
			t.Errorf("README does not say %s", command)
		}
		out, err := exec.Command("make", "-n", "-C", "../..", strings.TrimPrefix(command, "make ")).CombinedOutput()
		if err != nil || !strings.Contains(string(out), runs) {
			t.Errorf("%s does not run %s: %v\n%s", command, runs, err, out)
		}
	}
}

func TestReadmeNodeFile(t *testing.T) {
	_, file := readme(t)
	if _, err := config.Parse("README.md", []byte(file)); err != nil {
		t.Error(err)
	}
}

// TestReadmeCommands runs what README says, in the order in which it says it.
func TestReadmeCommands(t *testing.T) {
	s := play(t) // for its network; its own node goes on in its own state directory
	bin := binary(t)
	commands, file := readme(t)
	dir := t.TempDir()
	state := filepath.Join(dir, "state")
	file = strings.NewReplacer("eth0", "s0", "eth1", "s1", "/var/lib/turnpike", state).Replace(file)
	if err := os.WriteFile(filepath.Join(dir, "node.yaml"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	s.stop(t, os.Interrupt)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	defer func() {
		if err := removeState(state); err != nil {
			t.Error(err)
		}
	}()
	for _, command := range commands {
		args := strings.Fields(command)
		if args[0] != "bin/turnpike" {
			continue
		}
		if args[1] != "config" && args[1] != "serve" {
			args = append(args, "--state", state)
		}
		cmd := s.lab.Node.Command(ctx, bin, args[1:]...)
		cmd.Dir = dir
		switch {
		case args[1] == "serve":
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() {
				_ = cmd.Process.Signal(os.Interrupt)
				_ = cmd.Wait()
			}()
		case strings.Contains(command, " top"):
			runUntil(t, cmd, ":") // the first line with a time
		default:
			out, err := cmd.CombinedOutput()
			if args[1] == "doctor" && cmd.ProcessState.ExitCode() == exitDegraded {
				err = nil // it has found something: the lab's first node keeps its program
			}
			if err != nil {
				t.Errorf("%s: %v\n%s", command, err, out)
			}
		}
	}
}
