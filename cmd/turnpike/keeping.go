package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/backup"
	"turnpike.dev/turnpike/control/certificates"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/config/store"
	"turnpike.dev/turnpike/control/durable"
)

var _ api.Keeper = (*node)(nil)

// certificatesDir is where a node keeps its certificates in its state directory.
const certificatesDir = "certificates"

// stateFiles are files of the state directory that are replaced whole.
type stateFiles struct{}

// ReadFile implements certificates.Files.
func (stateFiles) ReadFile(name string) ([]byte, error) { return os.ReadFile(name) }

// ReplaceFile implements certificates.Files.
func (stateFiles) ReplaceFile(name string, data []byte) error { return durable.ReplaceFile(name, data) }

// RemoveFile implements certificates.Files.
func (stateFiles) RemoveFile(name string) error { return os.Remove(name) }

// openCertificates opens the node's certificates, and makes one at the first start.
func openCertificates(state *stateDir, n *config.Node) (*certificates.Store, error) {
	dir := state.file(certificatesDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the certificates' folder: %w", err)
	}
	return certificates.Open(certificates.Config{Dir: dir, Files: stateFiles{}, Host: hostName(n)})
}

// hostName is the name that a certificate of the node's own making carries.
func hostName(n *config.Node) string {
	if n.System.HostName != "" && n.System.Domain != "" {
		return n.System.HostName + "." + n.System.Domain
	}
	return n.System.Name
}

// Certificates returns what the node shows and trusts.
func (n *node) Certificates() *certificates.Store { return n.certificates }

// CertificatesChanged raises and lowers the alarms of the new certificate, and shows it to the peers of the cluster.
func (n *node) CertificatesChanged() {
	n.certificates.Judge(n.store.Alarms)
	if n.peering != nil {
		n.peering.mesh.CheckCertificates()
	}
	info := n.certificates.ServerInfo()
	n.log.Event("Certificates Changed", "Detail", info.Subject, "Not-after", info.NotAfter.UTC().Format(time.RFC3339))
}

// watchCertificates watches the time that the server certificate has left.
func (n *node) watchCertificates(ctx context.Context) error {
	n.certificates.Watch(ctx, n.store.Alarms)
	return nil
}

// Parts of a backup.
const (
	partConfiguration = "configuration.yaml"
	partCertificate   = "certificate-" // and the name of the file
)

// Backup returns the node's backup (OP-01).
func (n *node) Backup(password string) ([]byte, error) {
	parts := map[string][]byte{
		partConfiguration: config.YAML(n.store.Current().Node, config.Writing{Secrets: true}),
	}
	kept, err := n.certificates.Export()
	if err != nil {
		return nil, err
	}
	for name, data := range kept {
		parts[partCertificate+name] = data
	}
	var file bytes.Buffer
	m := backup.Manifest{Version: version(), Node: n.running().System.Name, Made: time.Now().UTC()}
	if err := backup.Write(&file, password, m, parts); err != nil {
		return nil, err
	}
	n.log.Event("Backup Made", "Detail", fmt.Sprintf("%d parts, %d bytes", len(parts), file.Len()))
	return file.Bytes(), nil
}

// errMember: a backup is for a node that stands alone (OP-01).
var errMember = errors.New("the node is a member of a cluster: leave it first, restore, and build the cluster again")

// alarmRestoreFailed is "Restore failed" (facts A5).
const alarmRestoreFailed = 15023

// Restore puts a backup in force, and raises the alarm when that fails.
func (n *node) Restore(author store.Author, in api.Restore) (api.Restored, error) {
	done, err := n.restore(author, in)
	switch {
	case in.Try:
	case err != nil:
		n.board.Raise(alarmRestoreFailed, "", err.Error())
	default:
		n.board.Lower(alarmRestoreFailed, "")
	}
	return done, err
}

// restore puts a backup in force. The certificates are checked before the configuration
// is changed, so that either both are as in the backup or both as before.
func (n *node) restore(author store.Author, in api.Restore) (api.Restored, error) {
	cur := n.store.Current()
	if n.store.Clustered() || len(cur.Node.Cluster.Peers) > 0 {
		return api.Restored{}, errMember
	}
	m, parts, err := backup.Read(bytes.NewReader(in.File), in.Password)
	if err == nil {
		err = m.Fits(version())
	}
	if err != nil {
		return api.Restored{}, err
	}
	document, err := config.Parse("configuration of the backup", parts[partConfiguration])
	if err != nil {
		return api.Restored{}, err
	}
	document.System.State = cur.Node.System.State // where the store is
	kept := make(map[string][]byte)
	for name, data := range parts {
		if file, ok := strings.CutPrefix(name, partCertificate); ok {
			kept[file] = data
		}
	}
	commit, err := n.certificates.Import(kept)
	if err != nil {
		return api.Restored{}, err
	}
	p := store.Proposal{Author: author, Note: "restored from a backup of " + m.Node, Document: document, Scope: config.ScopeShared}
	if in.Peer {
		p.Scope = config.ScopeAll
	}
	done := api.Restored{From: m}
	if in.Try {
		done.Changes, err = n.store.Check(p)
		return done, err
	}
	result, err := n.store.Propose(p)
	if err != nil {
		return done, err
	}
	if err := commit(); err != nil {
		_, back := n.store.Rollback(cur.Number, author)
		return done, errors.Join(err, back)
	}
	n.CertificatesChanged()
	n.log.Event("Backup Restored", "Detail", "made on "+m.Node+" at "+m.Made.Format(time.RFC3339), "User", author.User)
	done.Revision, done.Changes, done.NeedsRestart = result.Revision, result.Changes, n.NeedsRestart()
	return done, nil
}

// certificateFiles names what cleanup removes.
func certificateFiles() string { return filepath.Join(certificatesDir, "*") }
