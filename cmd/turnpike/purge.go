package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"turnpike.dev/turnpike/cluster/agreement"
	"turnpike.dev/turnpike/cluster/member"
	"turnpike.dev/turnpike/cluster/mesh"
	"turnpike.dev/turnpike/cluster/revisions"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/config/store"
	"turnpike.dev/turnpike/control/durable"
	"turnpike.dev/turnpike/control/eventlog"
	"turnpike.dev/turnpike/control/pooling"
)

const (
	// alarmDatabase is "Database failure" (facts A5, OP-06).
	alarmDatabase = 15005
	// purgeFile says that the next start is to remove the node's part of the cluster's database.
	purgeFile = "database-purge"
	// purgedFile is in the cluster's folder: the operator has agreed to lose what is here, and the node joins as a reset one.
	purgedFile = "purged"
)

// withoutCluster lets a node run that cannot have its part in the cluster: it serves with the configuration that it has, says
// what is wrong and what to do, and keeps the shared configuration as it is until it has joined again (OP-06).
func (n *node) withoutCluster(err error) {
	n.damaged = err
	n.resources.Share(pooling.NewApart(n.resources, sinceBoot))
	n.board.Raise(alarmDatabase, "", fmt.Sprintf("%v. The node serves alone. %s. Do: turnpike support bundle; then turnpike database purge --confirm %s", err, apartUses(n.config), n.config.System.Name))
	n.log.Error("Cluster Database Failure", "Detail", err)
	n.lowerCluster()
	n.store.SetCluster(apart{})
}

// apartUses says what a node without its part in the cluster uses of what the peers share.
func apartUses(c *config.Node) string {
	var whole, none []string
	for _, of := range []struct {
		policy config.SharingPolicy
		what   string
	}{{c.Licensing.Policy, "licences"}, {c.Bandwidth.Policy, "bandwidth"}} {
		if of.policy == config.SharingStrict {
			none = append(none, of.what)
		} else {
			whole = append(whole, of.what)
		}
	}
	var out []string
	if len(whole) > 0 {
		out = append(out, "It uses all of its own "+strings.Join(whole, " and ")+", and the peers may use that too (policy available)")
	}
	if len(none) > 0 {
		out = append(out, "It admits nothing that needs "+strings.Join(none, " or ")+" of what the peers share (policy strict)")
	}
	return strings.Join(out, ". ")
}

// apart stands for the cluster on a node whose database is damaged: what the peers share cannot be changed there.
type apart struct{}

var _ store.Cluster = apart{}

func (apart) Propose(context.Context, revisions.Propose) error { return errDatabase }
func (apart) Primary() (string, bool)                          { return "", true }
func (apart) RenewKey(context.Context, store.Author) (store.Origin, error) {
	return store.Origin{}, errDatabase
}

func (apart) Forward(context.Context, store.Author, []config.Operation) (store.Origin, error) {
	return store.Origin{}, errDatabase
}

// PurgeDatabase arms the purge and restarts (OP-06).
func (n *node) PurgeDatabase(name string) error {
	if err := n.inCluster(); err != nil && n.damaged == nil {
		return err
	}
	if own := n.running().System.Name; name != own {
		return fmt.Errorf("this node is %s, not %q: confirm with the name of the node whose database is to be removed", own, name)
	}
	if err := durable.ReplaceFile(n.purgeFile, []byte("armed\n")); err != nil {
		return err
	}
	n.log.Warn("Cluster Database Purge", "Detail", "asked for: this node's part of the database is removed at the restart that follows")
	n.Restart()
	return nil
}

// purgeIfArmed removes the node's part of the database, when the last process was told to. What it was a member of, its number of
// starts and the keys of its peers stay as far as they can be read: so it is let in again.
func purgeIfArmed(file, dir string, log *eventlog.Log) error {
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	ids, err := agreement.Purge(filepath.Join(dir, agreementDir))
	if err != nil { // not even that: nothing is left to be read
		err = os.RemoveAll(filepath.Join(dir, agreementDir))
	}
	kept, readErr := os.ReadFile(filepath.Join(dir, memberFile))
	if readErr != nil || member.Sound(kept) != nil {
		err = errors.Join(err, removed(filepath.Join(dir, memberFile)))
	}
	if mesh.SoundPins(stateFiles{}, dir) != nil {
		err = errors.Join(err, removed(filepath.Join(dir, "pins.json")))
	}
	if err == nil && len(ids) == 0 {
		err = durable.ReplaceFile(filepath.Join(dir, purgedFile), []byte("joins as a reset node\n"))
	}
	if err == nil {
		err = os.Remove(file)
	}
	if err != nil {
		return fmt.Errorf("purge the cluster's database: %w: free the disk or mend its rights, and restart", err)
	}
	log.Warn("Cluster Database Purged", "Detail", "the node joins again", "Histories", len(ids))
	return nil
}

func removed(file string) error { return os.RemoveAll(file) }

// agreedToLose says whether an operator has purged a node that knows of no history any more, and that has not joined since.
func (p *peering) agreedToLose() bool {
	if _, err := os.Stat(filepath.Join(p.dir, purgedFile)); err != nil {
		return false
	}
	return p.agreed.Stored().Cluster == ""
}

// keep makes durable what the node keeps of its cluster; where that cannot be written, an operator has to know.
func (n *node) keep(file string, data []byte) error {
	err := durable.ReplaceFile(file, data)
	if err != nil {
		n.board.Raise(alarmDatabase, filepath.Base(file), fmt.Sprintf("%v. Free the disk, or mend what it says", err))
		return err
	}
	n.board.Lower(alarmDatabase, filepath.Base(file))
	return nil
}
