package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/cli"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/config/store"
	"turnpike.dev/turnpike/control/eventlog"
)

const licensedID = "4f1c9e60-7f5b-4f6e-9d4e-0a1b2c3d4e5f"

// licensedNode is a node that knows no issuer, as far as licences go.
func licensedNode(t *testing.T) (n *node, state string) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "node.yaml")
	if err := os.WriteFile(file, []byte("system: {name: tp, platform: Small}\ninterfaces: {external: {name: s1}}\nsip: {mode: on}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	n = storedNode(t, file, dir)
	n.id = licensedID
	log, err := eventlog.New(eventlog.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.carry(n.running(), &stateDir{path: dir}, log); err != nil {
		t.Fatal(err)
	}
	return n, serveAPI(t, api.New(newCanned(), nil).Configure(n).License(n))
}

// issue runs keygen and has the node know the issuer. The file is its private key.
func issue(t *testing.T, n *node) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "issuer.pem")
	var out bytes.Buffer
	if err := run(t.Context(), []string{"licence", "keygen", "--out", file}, &out); err != nil {
		t.Fatal(err)
	}
	public := regexp.MustCompile(`public_key=(\S{43})\n`).FindStringSubmatch(out.String())
	if public == nil {
		t.Fatal(out.String())
	}
	_, err := n.store.Propose(store.Proposal{Operations: []config.Operation{
		{Verb: config.Add, Path: "licensing.issuers", Text: "development"},
		{Verb: config.Set, Path: "licensing.issuers[development].public_key", Text: public[1]},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func signed(t *testing.T, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	if err := run(t.Context(), append([]string{"licence", "sign"}, args...), &out); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out.String())
}

// signature is what differs from run to run.
var signature = regexp.MustCompile(`[\w-]{86}`)

// LI-01, LI-05: what the commands and the second command language do and show, from the
// first key of an issuer on.
func TestLicenceCommands(t *testing.T) {
	n, state := licensedNode(t)
	key := issue(t, n)
	sh := newShell(n)
	rms := signed(t, "--key", key, "--node", licensedID, "--feature", "rms", "--count", "30", "--serial", "a1")
	hsm := signed(t, "--key", key, "--node", licensedID, "--feature", "hsm", "--until", "2099-12-31", "--serial", "a2")
	past := signed(t, "--key", key, "--node", licensedID, "--feature", "room", "--count", "5", "--until", "2020-02-29", "--serial", "a3")
	elsewhere := signed(t, "--key", key, "--node", "other", "--feature", "room", "--count", "5", "--serial", "a4")
	for _, step := range []struct {
		name string
		args []string
		code int
	}{
		{"list_none", []string{"licence", "list"}, 0},
		{"add", []string{"licence", "add", rms, hsm}, 0},
		{"add_again", []string{"licence", "add", rms}, 1},
		{"add_ended", []string{"licence", "add", past}, 1},
		{"add_elsewhere", []string{"licence", "add", elsewhere}, 1},
		{"add_changed", []string{"licence", "add", strings.Replace(rms, ".30.", ".300.", 1)}, 1},
		{"list", []string{"licence", "list"}, 0},
		{"usage", []string{"licence", "usage"}, 0},
		{"xstatus_options", []string{"xStatus Options"}, 0},
		{"xstatus_license", []string{"xStatus License"}, 0},
		{"xstatus_resources", []string{"xStatus ResourceUsage"}, 0},
		{"remove_none", []string{"licence", "remove", "9"}, 1},
		{"remove", []string{"licence", "remove", "a2"}, 0},
		{"xdelete", []string{"xCommand OptionKeyDelete OptionKeyId: 1"}, 0},
		{"xadd", []string{"xCommand OptionKeyAdd Key: " + hsm}, 0},
		{"list_feature", []string{"licence", "list"}, 0},
	} {
		t.Run(step.name, func(t *testing.T) {
			var out bytes.Buffer
			if strings.HasPrefix(step.args[0], "x") {
				answer, err := sh.Run(t.Context(), step.args[0], cli.Caller{User: "test"})
				if err != nil {
					t.Fatal(err)
				}
				out.WriteString(answer.Text)
			} else {
				err := run(t.Context(), append(step.args, "--state", state), &out)
				if exitCode(err) != step.code {
					t.Fatalf("exit code %d, want %d: %v", exitCode(err), step.code, err)
				}
				if step.code == 1 {
					out.WriteString(err.Error() + "\n")
				}
			}
			golden(t, filepath.Join("licence", step.name+".txt"), signature.ReplaceAllString(out.String(), "SIGNATURE"))
		})
	}
	if in := n.licences.Installed(); in.Keyed || len(in.Features) != 1 {
		t.Errorf("%+v is installed", in)
	}
}

// A key that was put past the commands is told of wherever somebody looks.
func TestKeyThatDoesNotCount(t *testing.T) {
	n, state := licensedNode(t)
	_, err := n.store.Propose(store.Proposal{Operations: []config.Operation{{Verb: config.Add, Path: "option_keys", Text: "1X4757T5-1-60BAD5CD"}}})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := run(t.Context(), []string{"licence", "list", "--state", state}, &out); exitCode(err) != exitDegraded {
		t.Errorf("exit code %d: %v", exitCode(err), err)
	}
	golden(t, filepath.Join("licence", "list_wrong.txt"), out.String())
	if r := config.Remarks(n.running()); len(r) != 1 || r[0].Path != "licensing.issuers" {
		t.Errorf("%v", r)
	}
	n.licences.Look()
	if list := n.standing(); len(list) != 2 || list[0].Number != 39002 || list[1].Number != 39001 {
		t.Errorf("%v stand", list)
	}
}

// TestIssuerFile: the private key is its owner's alone, and is never shown.
func TestIssuerFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "issuer.pem")
	var out bytes.Buffer
	if err := run(t.Context(), []string{"licence", "keygen", "--out", file, "-o", "json"}, &out); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v: %v", info.Mode(), err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	secret := strings.Split(string(text), "\n")[1]
	if len(secret) < 40 || strings.Contains(out.String(), secret) {
		t.Errorf("%s shows %s", out.String(), secret)
	}
	args := []string{"licence", "sign", "--key", file, "--node", "n", "--feature", "room"}
	if err := run(t.Context(), []string{"licence", "keygen", "--out", file}, &out); err == nil {
		t.Error("keygen writes over a key")
	}
	if again, err := os.ReadFile(file); err != nil || !bytes.Equal(again, text) {
		t.Errorf("the key has changed: %v", err)
	}
	for name, tc := range map[string]struct {
		args []string
		code int
	}{
		"good":         {args, 0},
		"no file":      {[]string{"licence", "sign", "--key", file + "x", "--node", "n", "--feature", "room"}, 1},
		"no feature":   {args[:6], 2},
		"moon":         {append(args[:7:7], "moon"), 2},
		"no day":       {append(args[:8:8], "--until", "2027-02-30"), 2},
		"a dot in it":  {append(args[:8:8], "--serial", "a.b"), 2},
		"too many":     {append(args[:8:8], "--count", "2000000"), 2},
		"nowhere to":   {[]string{"licence", "keygen"}, 2},
		"nobody's key": {[]string{"licence", "sign", "--key", os.Args[0], "--node", "n", "--feature", "room"}, 1},
	} {
		if err := run(t.Context(), tc.args, &out); exitCode(err) != tc.code {
			t.Errorf("%s: exit code %d, want %d: %v", name, exitCode(err), tc.code, err)
		}
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), args, &out); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a key that others may read: %v", err)
	}
	if _, err := readIssuer(file + "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
