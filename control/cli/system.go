package cli

import (
	"context"
	"errors"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/config/store"
)

// storeCommands returns what acts on the configuration as a whole.
func storeCommands(s *store.Store) []Command {
	return []Command{
		{
			Name: "DefaultLinksAdd", Text: "Brings back the shipped links between the Default Zone and the subzones that are always there.",
			Run: func(_ context.Context, _ map[string]string, caller Caller) ([]Element, error) {
				cur := s.Current()
				if cur == nil {
					return nil, store.ErrEmpty
				}
				ops := config.RestoreDefaultLinks(cur.Node)
				if len(ops) == 0 {
					return nil, nil
				}
				_, err := s.Propose(store.Proposal{Author: caller, Operations: ops})
				return nil, err
			},
		},
		{
			Name: "ForceSystemKeyUpdate", Text: "Makes a new system key and seals all stored secrets with it. Cures alarm 40055.",
			Run: func(_ context.Context, _ map[string]string, caller Caller) ([]Element, error) {
				if err := s.RenewKey(caller); err != nil {
					return nil, err
				}
				return []Element{{Name: "Key", Value: s.KeyID()}}, nil
			},
		},
		waits("Restart", "Starts the node's process again.", "the node does not start itself again: use `systemctl restart turnpike`, media goes on meanwhile"),
		waits("Boot", "Starts the machine again.", "the node does not start the machine again: use `systemctl reboot`"),
	}
}

// waits is a command that is known and cannot be done here; it says what to do instead.
func waits(name, text, answer string) Command {
	return Command{Name: name, Text: text, Run: func(context.Context, map[string]string, Caller) ([]Element, error) {
		return nil, errors.New(answer)
	}}
}
