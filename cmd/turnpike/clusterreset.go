package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/config/store"
	"turnpike.dev/turnpike/control/durable"
)

// armed is what the file of an armed reset says: which list of peers was emptied. A reset that was asked for by
// command has none, and no list takes it back.
type armed struct {
	Peers []string `json:"peers"`
}

// leaveOrStay arms the factory reset when the list of peers is emptied on a node that runs as one of them, and disarms it when
// the same list is there again (CL-14, facts A7.8).
func (n *node) leaveOrStay(u store.Update) {
	if u.Old == nil || n.cluster == nil && n.damaged == nil {
		return
	}
	was, is := u.Old.Node.Cluster.Peers, u.New.Node.Cluster.Peers
	a, err := readArmed(n.resetFile)
	switch {
	case err == nil && len(a.Peers) > 0 && slices.EqualFunc(a.Peers, is, strings.EqualFold):
		if err := os.Remove(n.resetFile); err != nil {
			n.log.Error("Factory Reset Not Disarmed", "Detail", err)
			return
		}
		n.log.Event("Factory Reset Disarmed", "Detail", "the peers are there again: "+strings.Join(is, ", "), "User", u.New.User, "Src", u.New.From)
	case errors.Is(err, fs.ErrNotExist) && len(was) > 0 && len(is) == 0:
		if err := armReset(n.resetFile, was); err != nil {
			n.log.Error("Factory Reset Not Armed", "Detail", err)
			return
		}
		n.log.Warn("Factory Reset Armed", "Detail", "cluster.peers was emptied: the next restart removes all configuration. To stay a peer, set it to "+strings.Join(was, ", "), "User", u.New.User, "Src", u.New.From)
	}
}

// armReset makes the next start a factory reset.
func armReset(file string, peers []string) error {
	data, err := json.Marshal(armed{peers})
	if err != nil {
		return err
	}
	return durable.ReplaceFile(file, append(data, '\n'))
}

// resetArmed says whether the next start is a factory reset.
func (n *node) resetArmed() bool {
	_, err := readArmed(n.resetFile)
	return !errors.Is(err, fs.ErrNotExist)
}

// readArmed says what the next start is to reset; fs.ErrNotExist: nothing. Whatever else is there arms it, as by command.
func readArmed(file string) (armed, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return armed{}, err
	}
	var a armed
	if err != nil || json.Unmarshal(data, &a) != nil {
		return armed{}, nil
	}
	return a, nil
}

// resetBanner says that the next restart is a factory reset; empty: it is none.
func (n *node) resetBanner() string {
	a, err := readArmed(n.resetFile)
	switch {
	case err != nil:
		return ""
	case len(a.Peers) == 0:
		return "a factory reset follows: this node restarts and loses its configuration"
	}
	return fmt.Sprintf("the next restart is a factory reset, because cluster.peers was emptied. To stay a peer set it to %s again", strings.Join(a.Peers, ", "))
}

// clusterRestart returns what of the list of peers waits for the next start, beside what waits of every item: one that runs
// standalone becomes a peer then, and one that has left is reset.
func (n *node) clusterRestart(stored *config.Node) []config.Change {
	to := strings.Join(stored.Cluster.Peers, " ")
	switch clustered := n.cluster != nil || n.damaged != nil; {
	case !clustered && to != "":
		return []config.Change{{Path: "cluster.peers", From: "[]", To: "[" + to + "]"}}
	case clustered && to == "":
		return []config.Change{{Path: "cluster.peers", From: "a peer", To: "a factory reset"}}
	}
	return nil
}
