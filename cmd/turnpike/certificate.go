package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/certificates"
)

func certificateCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "certificate",
		Short: "Show and replace what the node shows and trusts in TLS",
		Long: `Show and replace the server certificate, the authorities that are trusted and
their revocation lists. A new certificate serves the next handshake; connections
that are open go on. A node without a certificate makes itself one.`,
		Example: `  turnpike certificate show
  turnpike certificate request tp1.example.org > tp1.csr
  turnpike certificate upload tp1.pem`,
	}
	cmd.AddCommand(certificateShow(a), certificateUpload(a), certificateRequest(a), certificateTrust(a), certificateDistrust(a), certificateRevoke(a))
	return cmd
}

func certificateShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "show",
		Short:   "Show the server certificate and the trusted authorities",
		Example: "  turnpike certificate show\n  turnpike certificate show -o json | jq -r .server.not_after",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client().Certificates(cmd.Context())
			return a.showCertificates(c, err)
		},
	}
}

func certificateUpload(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "upload CHAIN [KEY]",
		Short: "Replace the server certificate",
		Long: `Replace the server certificate by the one in CHAIN, which may also hold what leads
to its authority, in any order. KEY is its private key; without it the certificate
is the answer to the open signing request.`,
		Example: "  turnpike certificate upload fullchain.pem privkey.pem\n  turnpike certificate upload tp1.pem",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			texts, err := readTexts(args)
			if err != nil {
				return err
			}
			u := api.Upload{Chain: texts[0]}
			if len(texts) == 2 {
				u.Key = texts[1]
			}
			c, err := a.client().SetServerCertificate(cmd.Context(), u)
			return a.showCertificates(c, err)
		},
	}
}

func certificateRequest(a *app) *cobra.Command {
	var r certificates.Request
	var key string
	var drop bool
	cmd := &cobra.Command{
		Use:   "request NAME [NAME...]",
		Short: "Make a key and a signing request for it",
		Long: `Make a private key, which stays on the node, and a signing request (PKCS #10) for
it. The first name becomes the common name; all are alternative names. Each must
be a full domain name: no authority signs a bare host name.`,
		Example: `  turnpike certificate request cluster1.example.org tp1.example.org > tp1.csr
  turnpike certificate request tp1.example.org --key rsa2048
  turnpike certificate request --drop`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if drop {
				c, err := a.client().DropRequest(cmd.Context())
				return a.showCertificates(c, err)
			}
			if len(args) == 0 {
				return usage(errors.New("for which name? write `turnpike certificate request NAME`"))
			}
			r.CommonName, r.Names, r.Key = args[0], args[1:], certificates.KeyType(key)
			p, err := a.client().RequestCertificate(cmd.Context(), r)
			if err != nil {
				return err
			}
			return a.show(p, func(w *tabwriter.Writer) { _, _ = fmt.Fprint(w, p.Text) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&key, "key", string(certificates.ECDSA256), "key: ecdsa256, rsa2048 or rsa4096")
	f.StringVar(&r.Organization, "organization", "", "organization")
	f.StringVar(&r.Unit, "unit", "", "organizational unit")
	f.StringVar(&r.Locality, "locality", "", "locality")
	f.StringVar(&r.Province, "province", "", "state or province")
	f.StringVar(&r.Country, "country", "", "country in two letters")
	f.BoolVar(&drop, "drop", false, "forget the open request")
	return cmd
}

func certificateTrust(a *app) *cobra.Command {
	var replace bool
	cmd := &cobra.Command{
		Use:     "trust FILE",
		Short:   "Trust the authorities in a file",
		Example: "  turnpike certificate trust ca.pem\n  turnpike certificate trust all.pem --replace",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			texts, err := readTexts(args)
			if err != nil {
				return err
			}
			c, err := a.client().SetTrust(cmd.Context(), api.PEM{Text: texts[0], Replace: replace})
			return a.showCertificates(c, err)
		},
	}
	cmd.Flags().BoolVar(&replace, "replace", false, "trust nobody else")
	return cmd
}

func certificateDistrust(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "distrust SHA256",
		Short:   "Take an authority out of the trust list",
		Example: "  turnpike certificate show\n  turnpike certificate distrust 5f3c0a",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			now, err := a.client().Certificates(cmd.Context())
			if err != nil {
				return err
			}
			full, err := fingerprint(now, strings.ToLower(args[0]))
			if err != nil {
				return err
			}
			c, err := a.client().RemoveTrust(cmd.Context(), full)
			return a.showCertificates(c, err)
		},
	}
}

// fingerprint finds the one authority whose fingerprint begins so.
func fingerprint(c api.Certificates, beginning string) (string, error) {
	var found []string
	for _, t := range c.Trust {
		if strings.HasPrefix(t.Fingerprint, beginning) {
			found = append(found, t.Fingerprint)
		}
	}
	if len(found) != 1 {
		return "", fmt.Errorf("%d trusted authorities have a fingerprint that begins with %q: see `turnpike certificate show`", len(found), beginning)
	}
	return found[0], nil
}

func certificateRevoke(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "revoked FILE",
		Short:   "Replace the revocation lists",
		Long:    "Replace the revocation lists (CRLs) by those in a file, PEM or DER. Each must be\nsigned by a trusted authority.",
		Example: "  turnpike certificate revoked ca.crl",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			texts, err := readTexts(args)
			if err != nil {
				return err
			}
			c, err := a.client().SetRevoked(cmd.Context(), api.PEM{Text: texts[0]})
			return a.showCertificates(c, err)
		},
	}
}

func readTexts(files []string) ([]string, error) {
	texts := make([]string, len(files))
	for i, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		texts[i] = string(data)
	}
	return texts, nil
}

func (a *app) showCertificates(c api.Certificates, err error) error {
	if err != nil {
		return err
	}
	return a.show(c, func(w *tabwriter.Writer) {
		line := func(what string, i certificates.Info) {
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\tuntil %s\t%.16s\n", what, i.Subject, strings.Join(i.Names, ","), i.NotAfter.UTC().Format(time.DateOnly), i.Fingerprint)
		}
		server := "server"
		if c.Server.SelfSigned {
			server = "server (self-signed)"
		}
		line(server, c.Server)
		for _, t := range c.Trust {
			line("trusted", t)
		}
		if c.Request {
			_, _ = fmt.Fprintln(w, "a signing request is open: upload its certificate, or drop it")
		}
	})
}
