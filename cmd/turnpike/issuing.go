package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"turnpike.dev/turnpike/licensing"
)

// issuerKey is what keygen shows: never the private key.
type issuerKey struct {
	File      string `json:"file"`
	PublicKey string `json:"public_key"`
}

func licenceKeygen(a *app) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "keygen",
		Short: "Make a key pair to sign option keys with, for development",
		Long: `Make a key pair to sign option keys with, for development and trials. Whoever has the
file can give any licence to each node whose licensing.issuers names its public key:
such a node trusts its own operator, and nothing was bought. The file is made with
mode 0600; an existing one is not touched. It is never shown.`,
		Example: `  turnpike licence keygen --out issuer.pem
  turnpike config add licensing.issuers development public_key=PUBLICKEY`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if out == "" {
				return usage(errors.New("where to? write --out FILE"))
			}
			public, private, err := ed25519.GenerateKey(rand.Reader)
			if err != nil {
				return fmt.Errorf("make a key pair: %w", err)
			}
			if err := writeIssuer(out, private); err != nil {
				return err
			}
			k := issuerKey{File: out, PublicKey: base64.RawURLEncoding.EncodeToString(public)}
			return a.show(k, func(w *tabwriter.Writer) {
				l := lines{w}
				l.line("private key", "%s (development only: keep it to yourself)", printableText(k.File))
				l.line("public key", "%s", k.PublicKey)
				l.line("next", "turnpike config add licensing.issuers development public_key=%s", k.PublicKey)
			})
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "file of the private key")
	return cmd
}

const issuerType = "PRIVATE KEY" // PKCS #8 (RFC 8410)

// writeIssuer writes a private key to a new file that only its owner may read.
func writeIssuer(file string, private ed25519.PrivateKey) (err error) {
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return fmt.Errorf("write the private key: %w", err)
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s is there already, and what was signed with it would not count any more: choose another name", file)
	}
	if err != nil {
		return fmt.Errorf("write the private key: %w", err)
	}
	err = errors.Join(pem.Encode(f, &pem.Block{Type: issuerType, Bytes: der}), f.Sync(), f.Close())
	if err != nil {
		return fmt.Errorf("write the private key: %w", err)
	}
	return nil
}

// readIssuer reads a private key that only its owner may read.
func readIssuer(file string) (ed25519.PrivateKey, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("read the private key: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("others may read the private key in %s: run `chmod 600 %s`, and make another if somebody may have", file, file)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the private key: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != issuerType {
		return nil, fmt.Errorf("%s holds no private key: make one with `turnpike licence keygen`", file)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	private, ok := key.(ed25519.PrivateKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("%s holds no Ed25519 key: make one with `turnpike licence keygen`", file)
	}
	return private, nil
}

// signing is what a key shall say.
type signing struct{ key, node, feature, until, serial string }

func licenceSign(a *app) *cobra.Command {
	var s signing
	count := 1
	cmd := &cobra.Command{
		Use:   "sign",
		Short: "Sign an option key, for development",
		Long: `Sign an option key with a private key of keygen, for development and trials. It counts
on the one node that it names, if licensing.issuers there has the public key.`,
		Example: `  turnpike licence sign --key i.pem --node 4f1c... --feature rms --count 100
  turnpike licence sign --key i.pem --node 4f1c... --feature hsm --until 2027-12-31`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if s.key == "" || s.node == "" || s.feature == "" {
				return usage(errors.New("what for? write --key FILE --node ID --feature FEATURE"))
			}
			private, err := readIssuer(s.key)
			if err != nil {
				return err
			}
			key, err := s.read(count)
			if err != nil {
				return usage(err)
			}
			text, err := key.Sign(private)
			if err != nil {
				return usage(err)
			}
			return a.show(map[string]string{"key": text, "serial": key.Serial}, func(w *tabwriter.Writer) { _, _ = fmt.Fprintln(w, text) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&s.key, "key", "", "file of the private key")
	f.StringVar(&s.node, "node", "", "id of the node, as `turnpike licence list` shows it")
	f.StringVar(&s.feature, "feature", "", featureNames())
	f.IntVar(&count, "count", count, "how many licences; of a feature that is on or off 1")
	f.StringVar(&s.until, "until", "", "last day, 2027-12-31; without it the key does not end")
	f.StringVar(&s.serial, "serial", "", "letters and digits that tell keys apart; without it made up")
	return cmd
}

func featureNames() string {
	var names []string
	for _, f := range licensing.Features() {
		names = append(names, string(f))
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// read returns the key that is to be signed.
func (s signing) read(count int) (licensing.Key, error) {
	k := licensing.Key{Feature: licensing.Feature(s.feature), Count: count, Node: s.node, Serial: s.serial}
	if !k.Feature.Known() {
		return k, fmt.Errorf("--feature cannot be %q: want %s", s.feature, featureNames())
	}
	if k.Serial == "" {
		k.Serial = strings.ToLower(rand.Text()[:10])
	}
	if s.until != "" {
		day, err := time.Parse(time.DateOnly, s.until)
		if err != nil {
			return k, fmt.Errorf("--until cannot be %q: want a day, 2027-12-31", s.until)
		}
		k.Until = licensing.LastDay(day.Year(), day.Month(), day.Day())
	}
	return k, nil
}
