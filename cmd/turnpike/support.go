package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/doctor"
	"turnpike.dev/turnpike/control/occupancy"
	"turnpike.dev/turnpike/control/support"
	"turnpike.dev/turnpike/dataplane/xdp"
)

func supportCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "support",
		Short:   "Gather what explains a node for whoever is asked for help",
		Example: `  turnpike support bundle`,
	}
	cmd.AddCommand(supportBundle(a))
	return cmd
}

func supportBundle(a *app) *cobra.Command {
	var file, out string
	var names bool
	cmd := &cobra.Command{
		Use:   "bundle",
		Short: "Put state, configuration, log, kernel and machine into one file, without secrets",
		Long: `Put everything that explains a node into one file: what it says of itself, its
configuration, relays (the first 200), the newest of its event log, what the kernel
holds, interfaces, routes, firewall, sysctls, what doctor finds, metrics, and what the
process does at this moment. It works also when the node is dead; manifest.json in
the file says what could not be read, and why.

Passwords, shared secrets and keys are not in it, and users are called user-0a1b2c3d
unless --names is given. Addresses are. The file is for its owner only (mode 0600).`,
		Example: `  turnpike support bundle
  turnpike support bundle -c node.yaml -w /tmp/help.tar.gz   # of a dead node`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b, err := a.newBundle(cmd.Context(), file, names, cmd.Flags().Changed("state"))
			if err != nil {
				return err
			}
			if out == "" {
				out = fmt.Sprintf("turnpike-support-%s-%s.tar.gz", fileName(b.manifest.Node), b.manifest.Made.Format("20060102T150405Z"))
			}
			return a.writeBundle(cmd.Context(), b, out)
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "node file, for a node that does not run")
	cmd.Flags().StringVarP(&out, "write", "w", "", "file to write; it must not be there yet")
	cmd.Flags().BoolVar(&names, "names", false, "call users by their names")
	return cmd
}

// fileName leaves what a file may be called.
func fileName(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '.' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			return r
		}
		return '_'
	}, s)
}

// bundle is what a bundle is made from.
type bundle struct {
	manifest support.Manifest
	client   *api.Client
	status   api.Status
	silent   error // no node answers
	node     *config.Node
	unread   error // why there is no node
	state    string
	clean    *support.Cleaner
	patient  func(context.Context) (doctor.Options, error)
}

// newBundle finds out of which node: the one that answers at --state, or the file's.
func (a *app) newBundle(ctx context.Context, file string, names, stateGiven bool) (*bundle, error) {
	b := &bundle{state: a.state}
	if b.node, b.unread = loadNode(file); b.node != nil && !stateGiven {
		b.state = b.node.System.State
	}
	if file != "" && errors.Is(b.unread, fs.ErrNotExist) {
		return nil, b.unread
	}
	b.client = api.NewClient(b.state)
	if b.status, b.silent = b.client.Status(ctx); b.silent == nil && b.node == nil {
		b.node, b.unread = loadNode(b.status.File)
	}
	if _, err := os.Stat(b.state); b.silent != nil && b.node == nil && err != nil {
		return nil, fmt.Errorf("%w\nfor a node that does not run, name its file: turnpike support bundle -c FILE", b.silent)
	}
	secrets, users := b.secrets()
	b.clean = support.NewCleaner(secrets, users, names)
	b.manifest = support.Manifest{Version: version(), Node: b.name(), Made: time.Now().UTC().Truncate(time.Second), Names: names}
	b.patient = func(ctx context.Context) (doctor.Options, error) { return a.patient(ctx, file, stateGiven) }
	return b, nil
}

func loadNode(file string) (*config.Node, error) {
	if file == "" {
		return nil, errors.New("no node file is known: name it with -c FILE")
	}
	return config.Load(file)
}

func (b *bundle) name() string {
	switch {
	case b.silent == nil:
		return b.status.Name
	case b.node != nil:
		return b.node.System.Name
	default:
		return "unknown"
	}
}

// secrets are the values that must not be in the bundle, and the users that are to be
// called otherwise.
func (b *bundle) secrets() (secrets, users []string) {
	if b.node != nil {
		for _, v := range config.Values(b.node) {
			if v.Item != nil && v.Item.Secret() {
				secrets = append(append(secrets, v.Text), v.Texts...)
			}
		}
		for _, k := range b.node.OptionKeys {
			secrets = append(secrets, k.Name)
		}
		for _, u := range b.node.TURN.Users {
			users = append(users, u.Name)
		}
		for _, x := range b.node.Accounts {
			users = append(users, x.Name)
		}
		if t := b.node.TURN.TLS; t != nil {
			secrets = append(secrets, linesOf(t.Key)...)
		}
	}
	_ = filepath.WalkDir(b.state, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && (strings.Contains(entry.Name(), "key") || strings.HasPrefix(entry.Name(), "server.pem")) {
			secrets = append(secrets, linesOf(path)...)
		}
		return nil // what cannot be read here cannot get into the bundle either
	})
	return secrets, users
}

// maxKey bounds a file of keys.
const maxKey = 1 << 20

// linesOf are the lines of a file with a key.
func linesOf(file string) (lines []string) {
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	for s := bufio.NewScanner(io.LimitReader(f, maxKey)); s.Scan(); {
		if line := strings.TrimSpace(s.Text()); !strings.HasPrefix(line, "-----") {
			lines = append(lines, line)
		}
	}
	return lines
}

// writeBundle writes the file whole or not at all.
func (a *app) writeBundle(ctx context.Context, b *bundle, file string) (err error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write the bundle: %w: choose another file with -w", err)
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			_ = os.Remove(file)
		}
	}()
	m, err := support.Write(ctx, f, b.manifest, b.parts(), b.clean)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("write the bundle: %w", err)
	}
	result := struct {
		File string `json:"file"`
		support.Manifest
	}{file, m}
	return a.show(result, func(w *tabwriter.Writer) {
		_, _ = fmt.Fprintf(w, "%s: %d files of node %s\n", file, len(m.Files)-m.Missing(), m.Node)
		for _, x := range m.Files {
			if x.Error != "" {
				first, _, _ := strings.Cut(x.Error, "\n")
				_, _ = fmt.Fprintf(w, "not whole\t%s\t%s\n", x.Name, first)
			}
		}
	})
}

// parts are all files, in the order in which they are read: first what changes.
func (b *bundle) parts() []support.Part {
	parts := []support.Part{
		support.JSON("version.json", func(context.Context) (any, error) {
			return map[string]string{"version": version(), "go": goVersion()}, nil
		}),
		support.JSON("node/status.json", func(context.Context) (api.Status, error) { return b.status, b.silent }),
		support.JSON("node/traffic.json", b.traffic),
		support.JSON("node/dataplane.json", b.client.Dataplane),
		support.JSON("node/relays.json", b.relays),
		support.JSON("node/bandwidth.json", func(ctx context.Context) (occupancy.Report, error) { return b.client.Bandwidth(ctx, "") }),
		b.nameless(support.JSON("node/alarms.json", b.client.Alarms)),
		{Name: "node/metrics.txt", Read: b.fetch("/metrics")},
		{Name: "node/goroutines.txt", Read: b.fetch("/v1/profile/goroutine")},
		{Name: "node/heap.pprof", Read: b.fetch("/v1/profile/heap")},
		{Name: "node/config.yaml", Read: b.configuration},
		support.StateFiles(b.state),
		support.EventLog(b.logFile(), b.clean),
		support.KernelPart(b.pins),
		support.JSON("machine/doctor.json", b.doctor),
	}
	parts = append(parts, support.Machine(b.status.PID)...)
	for _, name := range b.interfaces() {
		parts = append(parts, support.Interface(b.status.PID, name)...)
	}
	return parts
}

// nameless is a part whose text may name users.
func (b *bundle) nameless(p support.Part) support.Part {
	return support.Part{Name: p.Name, Read: func(ctx context.Context) ([]byte, error) {
		text, err := p.Read(ctx)
		return []byte(b.clean.Text(string(text))), err
	}}
}

func (b *bundle) fetch(path string) func(context.Context) ([]byte, error) {
	return func(ctx context.Context) ([]byte, error) { return b.client.Fetch(ctx, path) }
}

// maxRelays is how many relays a bundle lists.
const maxBundledRelays = 200

func (b *bundle) relays(ctx context.Context) (any, error) {
	all, err := b.client.Relays(ctx)
	if err != nil {
		return nil, err
	}
	first := all[:min(len(all), maxBundledRelays)]
	for i := range first {
		first[i].User = b.clean.User(first[i].User)
	}
	return struct {
		Count  int         `json:"count"`
		Relays []api.Relay `json:"relays"`
	}{len(all), first}, nil
}

func (b *bundle) traffic(ctx context.Context) (api.Traffic, error) {
	t, err := b.client.Traffic(ctx)
	t.Relays = t.Relays[:min(len(t.Relays), maxBundledRelays)]
	for i := range t.Relays {
		t.Relays[i].User = b.clean.User(t.Relays[i].User)
	}
	return t, err
}

// configuration is what the node has in force or, of a dead one, what its file says.
func (b *bundle) configuration(ctx context.Context) ([]byte, error) {
	n, err := b.node, b.unread
	if doc, noDoc := b.client.Config(ctx, 0, config.ScopeAll, false); noDoc == nil {
		n, err = config.Parse("configuration", []byte(doc.Text))
	}
	if n == nil {
		return nil, err
	}
	n = n.Clone()
	for i := range n.TURN.Users {
		n.TURN.Users[i].Name = b.clean.User(n.TURN.Users[i].Name)
	}
	for i := range n.Accounts {
		n.Accounts[i].Name = b.clean.User(n.Accounts[i].Name)
	}
	for i := range n.OptionKeys {
		n.OptionKeys[i].Name = "***"
	}
	return config.YAML(n, config.Writing{}), nil
}

func (b *bundle) logFile() string {
	if b.node != nil {
		n := *b.node
		n.System.State = b.state
		return n.LogFile()
	}
	return filepath.Join(b.state, "event.log")
}

// pins is where the node's pins are: found by the state directory, for its name may have
// changed.
func (b *bundle) pins() (string, error) {
	dir, err := xdp.PinDir(b.name(), b.state)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	_, hash, _ := strings.Cut(filepath.Base(dir), fileName(b.name())+"-")
	found, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), "*-"+hash))
	if hash == "" || len(found) == 0 {
		return "", fmt.Errorf("nothing is pinned at %s", dir)
	}
	return found[0], nil
}

func (b *bundle) doctor(ctx context.Context) (doctor.Report, error) {
	o, err := b.patient(ctx)
	if err != nil {
		return doctor.Report{}, err
	}
	return doctor.Run(ctx, o)
}

func (b *bundle) interfaces() (names []string) {
	if b.node != nil {
		return b.node.Interfaces.Names()
	}
	for _, i := range b.status.Interfaces {
		names = append(names, i.Name)
	}
	return names
}
