package main

import (
	"fmt"
	"runtime/debug"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"turnpike.dev/turnpike/control/api"
)

func drainCommand(a *app) *cobra.Command {
	var off bool
	cmd := &cobra.Command{
		Use:   "drain",
		Short: "Take nothing new; let what runs end",
		Long: `Take no new calls, registrations and relays; what runs goes on until it ends. TURN
clients get 508, SIP endpoints 503, and try another server. status shows what is left.`,
		Example: `  turnpike drain
  turnpike drain --off`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.client().Drain(cmd.Context(), !off); err != nil {
				return err
			}
			if off {
				return a.done("takes new relays again")
			}
			return a.done("draining: see `turnpike status` for what is left")
		},
	}
	cmd.Flags().BoolVar(&off, "off", false, "take new relays again")
	return cmd
}

func reloadCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "reload",
		Short: "Read the node file again",
		Long: `Read the node file again. Users, secrets, the deny list, certificates and the log
level are applied at once; relays of users that are gone end. What else changed
is reported: it waits for the next start. A file with errors changes nothing. Once
the configuration was changed by command, only what belongs to the node is taken from
the file: "turnpike config apply" takes all of it.`,
		Example: `  turnpike reload
  turnpike reload -o json | jq .needs_restart`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			result, err := a.client().Reload(cmd.Context())
			if err != nil {
				return err
			}
			return a.show(result, func(w *tabwriter.Writer) { writeReload(w, result) })
		},
	}
}

func writeReload(w *tabwriter.Writer, r api.Reload) {
	if r.Ignored != "" {
		_, _ = fmt.Fprintln(w, r.Ignored)
	}
	if len(r.Applied)+len(r.NeedsRestart) == 0 {
		_, _ = fmt.Fprintln(w, "nothing changed")
	}
	for _, c := range r.Applied {
		_, _ = fmt.Fprintf(w, "applied\t%s\t%s -> %s\n", c.Path, orNone(c.From), orNone(c.To))
	}
	for _, c := range r.NeedsRestart {
		_, _ = fmt.Fprintf(w, "needs restart\t%s\t%s -> %s\n", c.Path, orNone(c.From), orNone(c.To))
	}
}

func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}

func versionCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Show the version",
		Example: `  turnpike version
  turnpike version -o json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := struct {
				Version string `json:"version"`
				Go      string `json:"go"`
			}{version(), goVersion()}
			return a.show(v, func(w *tabwriter.Writer) { _, _ = fmt.Fprintf(w, "turnpike %s (%s)\n", v.Version, v.Go) })
		},
	}
}

// release is the version of a package, which the linker puts in (make package).
var release string

// version is the package's, or else what the build recorded: the tag or the commit.
func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "unknown"
	}
	return info.Main.Version
}

func goVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.GoVersion
	}
	return "unknown"
}
