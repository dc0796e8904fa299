package support

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// unpack reads a bundle.
func unpack(t *testing.T, r io.Reader) (Manifest, map[string]string) {
	t.Helper()
	zip, err := gzip.NewReader(r)
	if err != nil {
		t.Fatal(err)
	}
	contents := map[string]string{}
	for archive := tar.NewReader(zip); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		if h.Mode != 0o600 {
			t.Errorf("%s has mode %o", h.Name, h.Mode)
		}
		contents[strings.TrimPrefix(h.Name, "turnpike-support/")] = string(text)
	}
	var m Manifest
	if err := json.Unmarshal([]byte(contents["manifest.json"]), &m); err != nil {
		t.Fatal(err)
	}
	delete(contents, "manifest.json")
	return m, contents
}

func part(name, text string, err error) Part {
	return Part{name, func(context.Context) ([]byte, error) { return []byte(text), err }}
}

func TestBundle(t *testing.T) {
	var out bytes.Buffer
	clean := NewCleaner([]string{"topsecret", "a"}, nil, false)
	made := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	_, err := Write(t.Context(), &out, Manifest{Version: "v1", Node: "tp1", Made: made}, []Part{
		part("a.txt", "all well", nil),
		part("b.txt", "password topsecret", nil),
		part("c.txt", "", errors.New("topsecret is not there")),
		part("d.txt", "half", errors.New("then it broke")),
		part("e.txt", strings.Repeat("x", maxPart+5), nil),
		JSON("f.json", func(context.Context) (int, error) { return 7, nil }),
		JSON("g.json", func(context.Context) (int, error) { return 0, errors.New("no node answers") }),
	}, clean)
	if err != nil {
		t.Fatal(err)
	}
	m, contents := unpack(t, &out)
	wantText := map[string]string{
		"a.txt": "all well", "b.txt": "password ***", "d.txt": "half", "e.txt": strings.Repeat("x", maxPart), "f.json": "7\n",
	}
	if diff := cmp.Diff(wantText, contents); diff != "" {
		t.Error(diff)
	}
	errs := map[string]string{}
	for _, f := range m.Files {
		if f.Error != "" {
			errs[f.Name] = f.Error
		}
		if text, ok := contents[f.Name]; ok {
			sum := sha256.Sum256([]byte(text))
			if f.Size != len(text) || f.SHA256 != hex.EncodeToString(sum[:]) {
				t.Errorf("%s: %d bytes, sum %s", f.Name, f.Size, f.SHA256)
			}
		}
	}
	wantErrs := map[string]string{
		"c.txt": "*** is not there", "d.txt": "then it broke", "e.txt": "the last 5 bytes are left out", "g.json": "no node answers",
	}
	if diff := cmp.Diff(wantErrs, errs); diff != "" {
		t.Error(diff)
	}
	if m.Missing() != 4 || m.Node != "tp1" || !m.Made.Equal(made) {
		t.Errorf("manifest %+v", m)
	}
}

func TestUsersBecomeOthers(t *testing.T) {
	c := NewCleaner(nil, []string{"alice"}, false)
	log := `UTCTime="x" Module="m" Level="INFO" Event="TURN Relay Created" Detail="for alice" User="bob" Client="192.0.2.1:5"
no record of alice
UTCTime="x" Module="m" Level="INFO" Event="Capture Start" Detail="" Users="carol,dave" Path="turn.users[alice].password"
malice and bob-2 are others
`
	got := string(c.Log([]byte(log)))
	for _, name := range []string{"for alice", `"bob"`, "carol", "dave", "[alice]", "of alice"} {
		if strings.Contains(got, name) {
			t.Errorf("%s is left in\n%s", name, got)
		}
	}
	for _, kept := range []string{`User="` + c.User("bob") + `"`, "192.0.2.1:5", "malice and bob-2 are others", c.User("carol") + "," + c.User("dave")} {
		if !strings.Contains(got, kept) {
			t.Errorf("no %s in\n%s", kept, got)
		}
	}
	if other := NewCleaner(nil, nil, false); other.User("alice") == c.User("alice") {
		t.Error("a user is called the same in two bundles")
	}
	if keep := NewCleaner(nil, []string{"alice"}, true); keep.User("alice") != "alice" || string(keep.Log([]byte(log))) != log {
		t.Error("names were to be kept")
	}
}

func TestTheNewestOfTheLog(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "event.log")
	var old, now bytes.Buffer
	for i := range 3 {
		fmt.Fprintf(&old, "old %d\n", i)
		fmt.Fprintf(&now, "now %d\n", i)
	}
	for name, text := range map[string][]byte{file: now.Bytes(), file + ".1": old.Bytes()} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, err := EventLog(file, NewCleaner(nil, nil, false)).Read(t.Context())
	if err != nil || string(text) != old.String()+now.String() {
		t.Errorf("%q, %v", text, err)
	}
	if text, err := tail(file, 10); err != nil || string(text) != "now 2\n" {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := EventLog(filepath.Join(dir, "none"), NewCleaner(nil, nil, false)).Read(t.Context()); err == nil {
		t.Error("no error without a log")
	}
}

func TestMachineParts(t *testing.T) {
	for _, p := range append(Machine(0), Interface(0, "lo")...) {
		t.Run(p.Name, func(t *testing.T) {
			text, err := p.Read(t.Context())
			if err == nil && len(text) == 0 && p.Name != "machine/rules.txt" && p.Name != "machine/firewall.txt" {
				t.Error("nothing, and no reason why")
			}
			if strings.Contains(string(text), "rss_key = ") {
				t.Error("the key of the card's hash is in it")
			}
		})
	}
}

func TestEndpoint(t *testing.T) {
	key := [16]uint8{10: 0xff, 11: 0xff, 12: 192, 13: 0, 14: 2, 15: 1}
	if got := endpoint(key, 0x960d); got != "192.0.2.1:3478" { // as a little-endian machine reads 0x0d96
		t.Error(got)
	}
}
