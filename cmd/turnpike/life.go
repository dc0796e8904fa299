package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"turnpike.dev/turnpike/control/alarms"
	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/certificates"
	"turnpike.dev/turnpike/control/config/store"
	"turnpike.dev/turnpike/control/eventlog"
)

var _ api.Life = (*node)(nil)

// Alarms of a node's life (facts A5).
const (
	alarmResetStarted = 15009 // cured by the restart
	alarmResetFailed  = 15013
	alarmMaintenance  = 15015
)

// resetFile says that the next start is to remove the configuration.
const resetFile = "factory-reset"

// errRestart ends a node that is to begin anew.
var errRestart = errors.New("restart")

// Restart ends the node's parts; main starts the program again in the same process.
func (n *node) Restart() {
	n.log.Event("System Restart", "Detail", "asked for by command; media goes on")
	select {
	case n.restart <- struct{}{}:
	default: // it is asked for already
	}
}

// untilRestart ends the node when a restart is asked for.
func (n *node) untilRestart(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-n.restart:
		return errRestart
	}
}

// again puts a new process of the program in the place of this one, under the same
// process id: of the version that is installed now.
func again() error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("restart: %w", err)
	}
	self = strings.TrimSuffix(self, " (deleted)") // an upgrade replaced it
	if err := syscall.Exec(self, os.Args, os.Environ()); err != nil {
		return fmt.Errorf("restart %s: %w", self, err)
	}
	return nil
}

// FactoryReset arms the reset and restarts.
func (n *node) FactoryReset(name string) error {
	if name != n.running().System.Name {
		return fmt.Errorf("this node is %s, not %q: confirm with the name of the node that is to be reset", n.running().System.Name, name)
	}
	if err := armReset(n.resetFile, nil); err != nil {
		return err
	}
	n.board.Raise(alarmResetStarted, "", "configuration, certificates and keys are removed at the restart that follows")
	n.Restart()
	return nil
}

// resetIfArmed removes what a factory reset removes, when the last process was told to.
// One that fails raises its alarm with the reason, and is tried again at the next start.
func resetIfArmed(state *stateDir, s *store.Store, c *certificates.Store, told *alarms.Alarms, log *eventlog.Log) {
	file := state.file(resetFile)
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		told.Lower(alarmResetFailed, "")
		return
	}
	a, err := readArmed(file)
	if err == nil {
		err = s.Reset(store.Author{User: "factory reset", From: "console"}, len(a.Peers) > 0)
	}
	if err == nil {
		err = c.Reset()
	}
	if err == nil { // who it was a peer of, their keys, what they agreed on
		err = os.RemoveAll(state.file(clusterDir))
	}
	if err == nil {
		err = os.Remove(file)
	}
	if err != nil {
		told.Raise(alarmResetFailed, "", err.Error())
		return
	}
	told.Lower(alarmResetFailed, "")
	log.Event("Factory Reset Done", "Detail", "what the node file says of this node is in force; the rest is as delivered")
}

// Drain switches maintenance mode (RG-08): nothing new is taken, what runs goes on. A
// restart ends it.
func (n *node) Drain(on bool) {
	if n.turn != nil {
		n.turn.Drain(on)
	}
	if n.phones != nil {
		n.phones.stack.Drain(on)
	}
	if n.cluster != nil {
		n.cluster.Maintenance(on)
		n.shared.usage.Soon()
	}
	n.mu.Lock()
	before := n.maintenance
	n.maintenance = on
	n.mu.Unlock()
	switch {
	case on && !before:
		n.board.Raise(alarmMaintenance, "", "no new calls, registrations and relays are taken")
		n.log.Event("Maintenance Mode On")
	case !on && before:
		n.board.Lower(alarmMaintenance, "")
		n.log.Event("Maintenance Mode Off")
	}
}

func restartCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "restart",
		Short: "Start the node anew in its place; media goes on",
		Long: `Start the node anew: it reads its configuration again, and runs the version that
is installed now. Relayed media goes on in the kernel meanwhile. A service manager
sees the same process.`,
		Example: "  turnpike restart && turnpike status --wait",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.client().Restart(cmd.Context()); err != nil {
				return err
			}
			return a.done("restarting: `turnpike status --wait` tells when it is ready")
		},
	}
}

func factoryResetCommand(a *app) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "factory-reset",
		Short: "Remove the configuration, certificates and keys, and restart",
		Long: `Remove the configuration and its history, the server certificate with its private
key, the trusted authorities and their revocation lists, and restart. The first
interface, the administrators' accounts and option keys stay (CL-14), and what the
node file says of this node is read again. Make a backup first: nothing can be
brought back.`,
		Example: "  turnpike backup tp1.backup --password-file ~/backup.password\n  turnpike factory-reset --confirm tp1",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if name == "" {
				return usage(errors.New("which node? write `turnpike factory-reset --confirm NAME`"))
			}
			if err := a.client().FactoryReset(cmd.Context(), name); err != nil {
				return err
			}
			return a.done("resetting: `turnpike status --wait` tells when it is ready")
		},
	}
	cmd.Flags().StringVar(&name, "confirm", "", "name of the node that is to be reset")
	return cmd
}

func maintenanceCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "maintenance",
		Short: "Take nothing new, so that the node gets empty",
		Long: `In maintenance mode a node takes no new calls, registrations and relays; what runs
goes on until it ends. Alarm 15015 stands meanwhile, and status tells when the node is
empty. A restart ends it. drain and drain --off are the same.`,
		Example: "  turnpike maintenance on\n  turnpike status\n  turnpike maintenance off",
	}
	for word, on := range map[string]bool{"on": true, "off": false} {
		cmd.AddCommand(&cobra.Command{
			Use: word, Short: "Switch maintenance mode " + word, Example: "  turnpike maintenance " + word, Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				if err := a.client().Drain(cmd.Context(), on); err != nil {
					return err
				}
				return a.done("maintenance mode is " + word)
			},
		})
	}
	return cmd
}
