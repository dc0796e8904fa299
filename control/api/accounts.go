package api

import (
	"context"
	"strconv"

	"turnpike.dev/turnpike/control/config"
)

// Account is somebody who may administer over HTTPS.
type Account struct {
	Name string `json:"name"`
	Role Role   `json:"role"`
}

// accounts lists who may administer, without their passwords' hashes.
func (a configAPI) accounts(context.Context, *none) ([]Account, error) {
	snap, err := a.at(0)
	if err != nil {
		return nil, err
	}
	list := []Account{}
	for _, one := range snap.Node.Admin.Accounts {
		list = append(list, Account{one.Name, Role(one.Role)})
	}
	return list, nil
}

// Accounts lists who may administer over HTTPS.
func (c *Client) Accounts(ctx context.Context) ([]Account, error) {
	return ask[[]Account](ctx, c, "GET", "/v1/accounts")
}

// SetAccount makes an account, or changes its role or the hash of its password where they
// are not empty.
func (c *Client) SetAccount(ctx context.Context, name string, role Role, hash string) (Changed, error) {
	at := "admin.accounts[" + quoted(name) + "]"
	var ops []config.Operation
	if role != "" {
		ops = append(ops, config.Operation{Verb: config.Set, Path: at + ".role", Text: string(role)})
	}
	if hash != "" {
		ops = append(ops, config.Operation{Verb: config.Set, Path: at + ".password", Text: hash})
	}
	return c.ConfigPropose(ctx, Proposal{Note: "account " + name, Operations: ops})
}

// RemoveAccount takes an account away; its tokens end with it.
func (c *Client) RemoveAccount(ctx context.Context, name string) (Changed, error) {
	return c.ConfigPropose(ctx, Proposal{Note: "account " + name, Operations: []config.Operation{
		{Verb: config.Delete, Path: "admin.accounts[" + quoted(name) + "]"},
	}})
}

// quoted is a name as a path of the configuration has it.
func quoted(name string) string { return strconv.Quote(name) }
