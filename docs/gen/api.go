package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const apiHead = `# The API

Generated from ` + "`control/api`" + `. The same operations answer in two places:

- **at the socket** ` + "`STATE/api.sock`" + `, for root and the node's own user: ` + "`curl --unix-socket /var/lib/turnpike/api.sock http://node/v1/status`" + `;
- **over HTTPS**, for the accounts of the configuration, where ` + "`admin.https.mode`" + ` is on. It is off by default, there is no account by
  default, and with two interfaces it is on the internal one only (` + "`admin.https.interfaces`" + `).

## Switching it on

` + "```" + `
turnpike account set anna --role admin        # asks for the password, keeps its argon2id hash
turnpike config set admin.https.mode on
turnpike status                               # says where: https://192.0.2.1:443
` + "```" + `

From another machine, with the fingerprint that ` + "`turnpike certificate show -o json`" + ` says on the node where nobody signed its certificate:

` + "```" + `
turnpike login --node https://192.0.2.1 --account anna --pin SHA256
turnpike --node https://192.0.2.1 status
curl --cacert ca.pem -u anna https://tp1.example.org/v1/status
` + "```" + `

A role is ` + "`read`" + ` (look), ` + "`operate`" + ` (also end calls and relays, drain, acknowledge) or ` + "`admin`" + `. Passwords and keys of messages
(` + "`secrets=1`" + `) are for root at the socket alone.

## What holds for all

- **Who asks** is shown by ` + "`Authorization: Bearer TOKEN`" + `, a token of ` + "`POST /v1/session`" + `, or by name and password (Basic) in each
  request. A token is good for 12 hours, ends with the process, with a new password or with its account, and is kept as a digest only.
- **Guessing** is held back by source (10 attempts, then one each 30 s; ` + "`admin.protection`" + `), by account (20, then one each 15 s; not where
  its owner logged in from lately) and in all (30, then five a second): 429 with Retry-After. Whether name or password was wrong is not said.
- **What is refused** is an RFC 9457 problem (` + "`application/problem+json`" + `): ` + "`detail`" + ` says what to do, ` + "`errors`" + ` has the path of each
  configuration item with what to write instead.
- **The configuration** has its revision as ETag; ` + "`If-Match`" + ` makes a change only for the revision that was seen (412 otherwise).
- **Every change** is in the event log (` + "`API Operation`" + `) with who, from where, what and the status; log-ins are ` + "`Admin Login`" + `,
  ` + "`Admin Login Failed`" + ` and ` + "`Admin Login Shut Out`" + `.
- **Bounds**: bodies as each operation says (64 KiB unless more is needed), 128 connections in all and 16 of an address, 32 watchers, 2 minutes
  for a request or an answer that is no stream, one password hashed at a time. TLS 1.2 or later; HTTP is redirected at most.

The description for programs (OpenAPI 3.1) is at ` + "`/openapi.json`" + `, with the role of each operation as ` + "`x-role`" + `.

`

// described is what the page needs of the description.
type described struct {
	Paths map[string]map[string]struct {
		ID      string   `json:"operationId"`
		Summary string   `json:"summary"`
		Tags    []string `json:"tags"`
		Role    string   `json:"x-role"`
	} `json:"paths"`
}

// apiPage is the table of operations, by their areas.
func apiPage(root string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(root, "control/api/testdata/openapi.json"))
	if err != nil {
		return nil, err
	}
	var d described
	if err := json.Unmarshal(text, &d); err != nil {
		return nil, fmt.Errorf("read the description of the API: %w", err)
	}
	areas := map[string][][]string{}
	for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(d.Paths[path])) {
			o := d.Paths[path][method]
			if len(o.Tags) == 0 {
				return nil, fmt.Errorf("%s %s is in no area", method, path)
			}
			areas[o.Tags[0]] = append(areas[o.Tags[0]], []string{"`" + strings.ToUpper(method) + " " + path + "`", o.Role, o.Summary})
		}
	}
	var t table
	t.WriteString(apiHead)
	for _, area := range slices.Sorted(maps.Keys(areas)) {
		t.WriteString("## " + area + "\n\n")
		t.row("operation", "role", "what it does")
		t.WriteString("|---|---|---|\n")
		for _, row := range areas[area] {
			t.row(row...)
		}
		t.WriteString("\n")
	}
	return append([]byte(strings.TrimSpace(t.String())), '\n'), nil
}
