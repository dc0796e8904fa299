package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestEveryCommandSaysHow(t *testing.T) {
	root := newRoot(&bytes.Buffer{})
	each(root, func(cmd *cobra.Command) {
		t.Run(cmd.CommandPath(), func(t *testing.T) {
			if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
				t.Errorf("short help %q: want a phrase without a full stop", cmd.Short)
			}
			if !strings.Contains(cmd.Example, "turnpike") {
				t.Error("no example")
			}
			for _, line := range strings.Split(cmd.Long+"\n"+cmd.Example, "\n") {
				if len(line) > 86 {
					t.Errorf("a line too long for a terminal: %q", line)
				}
			}
			var out bytes.Buffer
			args := append(strings.Fields(cmd.CommandPath())[1:], "--help")
			if err := run(context.Background(), args, &out); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(out.String(), "Examples:") || !strings.Contains(out.String(), "--state") {
				t.Errorf("--help shows no examples or global flags:\n%s", out.String())
			}
		})
	})
}

func TestExamplesParse(t *testing.T) {
	root := newRoot(&bytes.Buffer{})
	each(root, func(cmd *cobra.Command) {
		for line := range strings.SplitSeq(cmd.Example, "\n") {
			line, _, _ = strings.Cut(line, " #")
			line, _, _ = strings.Cut(line, " | ")
			for part := range strings.SplitSeq(line, "&&") {
				args := strings.Fields(strings.TrimPrefix(strings.TrimSpace(part), "sudo "))
				if len(args) == 0 || args[0] != "turnpike" {
					continue
				}
				found, rest, err := root.Find(args[1:])
				if err == nil {
					err = found.ParseFlags(rest)
				}
				if err != nil {
					t.Errorf("example of %s: %s: %v", cmd.CommandPath(), part, err)
				}
			}
		}
	})
}

func TestUsageErrors(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.yaml")
	if err := os.WriteFile(bad, []byte("turn: {prot: 1}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		args string
		code int
		want string
	}{
		{"unknown command", "statsu", 2, "did you mean status?"},
		{"unknown subcommand", "relay lst", 2, "did you mean list?"},
		{"nothing like it", "relay frobnicate", 2, "turnpike relay --help"},
		{"unknown flag", "status --wiat", 2, "turnpike status --help"},
		{"argument missing", "relay show", 2, "turnpike relay show --help"},
		{"argument too many", "version x", 2, "turnpike version --help"},
		{"no id", "relay kill x", 2, "turnpike relay list"},
		{"output", "version -o xml", 2, "want table or json"},
		{"no config", "serve", 2, "serve -c FILE"},
		{"no node", "status --state " + dir, 1, "turnpike serve -c"},
		{"no node to wait for", "status --wait --timeout 10ms --state " + dir, 1, "--timeout"},
		{"no file", "config check " + dir + "/none.yaml", 1, "no such file"},
		{"bad file", "config check " + bad, 1, "did you mean port?"},
		{"bad file to serve", "serve -c " + bad, 1, "bad.yaml:1:8"},
		{"capture of nothing", "dataplane capture -w x", 2, "choose relays, users or addresses"},
		{"capture to nowhere", "dataplane capture --relay 1", 2, "-w FILE"},
		{"capture of no id", "dataplane capture --relay x -w x", 2, "turnpike relay list"},
		{"capture of no address", "dataplane capture --address there -w x", 2, "is no address"},
		{"capture of too much", "dataplane capture --relay 1 --snaplen 100000 -w x", 2, "want 42 to 9216 bytes"},
		{"interval", "dataplane top --interval 1ms", 2, "want 100ms or more"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := run(t.Context(), strings.Fields(test.args), &bytes.Buffer{})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want something with %q", err, test.want)
			}
			if code := exitCode(err); code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
		})
	}
}

func TestExitCode(t *testing.T) {
	for _, test := range []struct {
		err  error
		code int
	}{
		{nil, 0},
		{errors.New("x"), 1},
		{usage(errors.New("x")), 2},
		{&exitError{code: exitDegraded}, 3},
	} {
		if got := exitCode(test.err); got != test.code {
			t.Errorf("%v: %d, want %d", test.err, got, test.code)
		}
	}
}

func TestCompletion(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), []string{"completion", "bash"}, &out); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "turnpike") {
		t.Error("no completion script")
	}
}
