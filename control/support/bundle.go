// Package support puts everything that explains a node into one file for whoever is
// asked for help: what the node says of itself, its configuration, its log, what the
// kernel holds and how the machine is set up.
//
// It exists because help by questions and answers takes days, and because a node is
// often looked at when it is dead: what can be read is read, what cannot is said in the
// manifest. The file goes to strangers, so no secret may be in it: what is known to be
// secret is left out where it stands, and starred out wherever else it turns up; names
// of users become others, the same throughout a bundle.
package support

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Part is one file of a bundle, and how it is read.
type Part struct {
	Name string // "node/status.json"
	// Read returns the contents. An error says what could not be read; what came before
	// it is kept.
	Read func(context.Context) ([]byte, error)
}

const (
	// maxPart bounds one file; of a longer one the beginning stays.
	maxPart = 8 << 20
	// partTime bounds the reading of one file.
	partTime = 10 * time.Second
)

// Manifest says what is in a bundle and what is not.
type Manifest struct {
	Version string    `json:"version"` // of turnpike
	Node    string    `json:"node"`
	Made    time.Time `json:"made"`
	Names   bool      `json:"names"` // users are called by their names
	Files   []File    `json:"files"`
}

// File is a file of a bundle.
type File struct {
	Name   string `json:"name"`
	Size   int    `json:"size"`
	SHA256 string `json:"sha256,omitempty"`
	// Error says what could not be read, or that the file was too long.
	Error string `json:"error,omitempty"`
}

// Missing is how many files are not there, or not whole.
func (m Manifest) Missing() int {
	n := 0
	for _, f := range m.Files {
		if f.Error != "" {
			n++
		}
	}
	return n
}

// Write reads all parts, has them cleaned, and writes the bundle: a tar archive, zipped,
// with the manifest first. m.Files is filled in.
func Write(ctx context.Context, w io.Writer, m Manifest, parts []Part, clean *Cleaner) (Manifest, error) {
	contents := make([][]byte, len(parts))
	for i, p := range parts {
		var f File
		contents[i], f = read(ctx, p, clean)
		m.Files = append(m.Files, f)
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return m, fmt.Errorf("write the manifest: %w", err)
	}
	zip := gzip.NewWriter(w)
	archive := tar.NewWriter(zip)
	if err := add(archive, "manifest.json", m.Made, append(text, '\n')); err != nil {
		return m, err
	}
	for i, f := range m.Files {
		if len(contents[i]) == 0 {
			continue // the manifest says why
		}
		if err := add(archive, f.Name, m.Made, contents[i]); err != nil {
			return m, err
		}
	}
	if err := archive.Close(); err != nil {
		return m, fmt.Errorf("write the bundle: %w", err)
	}
	if err := zip.Close(); err != nil {
		return m, fmt.Errorf("write the bundle: %w", err)
	}
	return m, nil
}

func read(ctx context.Context, p Part, clean *Cleaner) ([]byte, File) {
	ctx, cancel := context.WithTimeout(ctx, partTime)
	defer cancel()
	f := File{Name: p.Name}
	contents, err := p.Read(ctx)
	contents = clean.Clean(contents)
	if err == nil && len(contents) > maxPart {
		err = fmt.Errorf("the last %d bytes are left out", len(contents)-maxPart)
	}
	contents = contents[:min(len(contents), maxPart)]
	if err != nil {
		f.Error = string(clean.Clean([]byte(err.Error())))
	}
	if f.Size = len(contents); f.Size > 0 {
		sum := sha256.Sum256(contents)
		f.SHA256 = hex.EncodeToString(sum[:])
	}
	return contents, f
}

func add(archive *tar.Writer, name string, made time.Time, contents []byte) error {
	h := &tar.Header{Name: "turnpike-support/" + name, Mode: 0o600, Size: int64(len(contents)), ModTime: made, Format: tar.FormatPAX}
	if err := archive.WriteHeader(h); err != nil {
		return fmt.Errorf("write %s into the bundle: %w", name, err)
	}
	if _, err := archive.Write(contents); err != nil {
		return fmt.Errorf("write %s into the bundle: %w", name, err)
	}
	return nil
}

// JSON is a part that is encoded.
func JSON[T any](name string, value func(context.Context) (T, error)) Part {
	return Part{name, func(ctx context.Context) ([]byte, error) {
		v, err := value(ctx)
		if err != nil {
			return nil, err
		}
		var text bytes.Buffer
		e := json.NewEncoder(&text)
		e.SetIndent("", "  ")
		err = e.Encode(v)
		return text.Bytes(), err
	}}
}
