// Package backup is the one file that a node's configuration is carried away in: what
// it must hold to be read again, and nothing that can be read without its password
// (OP-01).
//
// It exists so that a restore is all or nothing. The file is encrypted and
// authenticated (age with a password: scrypt, ChaCha20-Poly1305), so a wrong password,
// a damaged byte and a file that was cut short are all found before anything of it is
// returned. What the parts mean is the caller's: the store of the configuration, the
// certificates, the address mappings.
package backup

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"time"

	"filippo.io/age"
)

// Format is the number of the file's layout.
const Format = 1

// Bounds of a file.
const (
	MaxParts    = 64
	MaxPart     = 64 << 20
	MinPassword = 8

	manifestName = "manifest.json"
	// workFactor is the base-2 logarithm of scrypt's cost: 64 MiB and some 0.2 s.
	workFactor    = 16
	maxWorkFactor = 18
)

// Errors of reading a backup.
var (
	ErrPassword = errors.New("the password is wrong")
	ErrShort    = fmt.Errorf("the password must have %d characters or more", MinPassword)
	ErrDamaged  = errors.New("the file is no backup, or is damaged")
	ErrVersion  = errors.New("the backup is of another version")
)

// Manifest says where a backup comes from.
type Manifest struct {
	Format  int       `json:"format"`
	Version string    `json:"version"` // of the software; a restore wants the same
	Node    string    `json:"node"`
	Made    time.Time `json:"made"`
	Parts   []Part    `json:"parts"`
}

// Part is one named piece of a backup.
type Part struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

var partName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// Write writes a backup of the parts.
func Write(w io.Writer, password string, m Manifest, parts map[string][]byte) error {
	if len([]rune(password)) < MinPassword {
		return ErrShort
	}
	to, err := age.NewScryptRecipient(password)
	if err != nil {
		return fmt.Errorf("encrypt the backup: %w", err)
	}
	to.SetWorkFactor(workFactor)
	m.Format = Format
	if m.Parts, err = list(parts); err != nil {
		return err
	}
	sealed, err := age.Encrypt(w, to)
	if err != nil {
		return fmt.Errorf("encrypt the backup: %w", err)
	}
	if err := writeParts(sealed, m, parts); err != nil {
		return err
	}
	if err := sealed.Close(); err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	return nil
}

func list(parts map[string][]byte) ([]Part, error) {
	if len(parts) > MaxParts {
		return nil, fmt.Errorf("a backup has %d parts at most, not %d", MaxParts, len(parts))
	}
	all := make([]Part, 0, len(parts))
	for name, data := range parts {
		if !partName.MatchString(name) || name == manifestName || len(data) > MaxPart {
			return nil, fmt.Errorf("%q (%d bytes) cannot be a part of a backup", name, len(data))
		}
		sum := sha256.Sum256(data)
		all = append(all, Part{Name: name, Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:])})
	}
	slices.SortFunc(all, func(a, b Part) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })
	return all, nil
}

func writeParts(w io.Writer, m Manifest, parts map[string][]byte) error {
	first, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("write the manifest: %w", err)
	}
	archive := tar.NewWriter(w)
	put := func(name string, data []byte) error {
		err := archive.WriteHeader(&tar.Header{Name: name, Size: int64(len(data)), Mode: 0o600, ModTime: m.Made, Format: tar.FormatPAX})
		if err == nil {
			_, err = archive.Write(data)
		}
		if err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
		return nil
	}
	if err := put(manifestName, first); err != nil {
		return err
	}
	for _, p := range m.Parts {
		if err := put(p.Name, parts[p.Name]); err != nil {
			return err
		}
	}
	if err := archive.Close(); err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	return nil
}

// Read reads a backup and returns its parts, all of them checked.
func Read(r io.Reader, password string) (Manifest, map[string][]byte, error) {
	with, err := age.NewScryptIdentity(password)
	if err != nil {
		return Manifest{}, nil, ErrPassword
	}
	with.SetMaxWorkFactor(maxWorkFactor)
	plain, err := age.Decrypt(r, with)
	var none *age.NoIdentityMatchError
	if errors.As(err, &none) {
		return Manifest{}, nil, ErrPassword
	}
	if err != nil {
		return Manifest{}, nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return readParts(plain)
}

func readParts(plain io.Reader) (Manifest, map[string][]byte, error) {
	archive := tar.NewReader(plain)
	var m Manifest
	name, data, err := next(archive)
	if err == nil && name != manifestName {
		err = errors.New("the manifest is not the first part")
	}
	if err == nil {
		err = json.Unmarshal(data, &m)
	}
	if err == nil && (m.Format != Format || len(m.Parts) > MaxParts) {
		err = fmt.Errorf("layout %d with %d parts is not known", m.Format, len(m.Parts))
	}
	if err != nil {
		return Manifest{}, nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	parts := make(map[string][]byte, len(m.Parts))
	for _, p := range m.Parts {
		name, data, err := next(archive)
		if err == nil {
			err = p.holds(name, data)
		}
		if err != nil {
			return Manifest{}, nil, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		parts[p.Name] = data
	}
	// The end of the file is authenticated too: read to it.
	if _, _, err := next(archive); !errors.Is(err, io.EOF) {
		return Manifest{}, nil, fmt.Errorf("%w: there is more than its manifest says: %w", ErrDamaged, err)
	}
	if _, err := io.Copy(io.Discard, io.LimitReader(plain, MaxPart)); err != nil {
		return Manifest{}, nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return m, parts, nil
}

func next(archive *tar.Reader) (string, []byte, error) {
	h, err := archive.Next()
	if err != nil {
		return "", nil, err
	}
	if h.Typeflag != tar.TypeReg || h.Size > MaxPart {
		return "", nil, fmt.Errorf("%q (%d bytes) is no part of a backup", h.Name, h.Size)
	}
	data, err := io.ReadAll(io.LimitReader(archive, MaxPart))
	return h.Name, data, err
}

func (p Part) holds(name string, data []byte) error {
	sum := sha256.Sum256(data)
	if name != p.Name || int64(len(data)) != p.Size || hex.EncodeToString(sum[:]) != p.SHA256 {
		return fmt.Errorf("part %q is not what the manifest says", p.Name)
	}
	return nil
}

// Fits reports whether a node of that software version may restore a backup.
func (m Manifest) Fits(version string) error {
	if m.Version != version {
		return fmt.Errorf("%w: it was made by %s, and this node runs %s: install %s, restore, then upgrade", ErrVersion, m.Version, version, m.Version)
	}
	return nil
}
