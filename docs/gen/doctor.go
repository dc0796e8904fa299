package main

import (
	"fmt"

	"turnpike.dev/turnpike/control/doctor"
)

const doctorHead = `# What doctor looks at

Generated from ` + "`control/doctor/catalogue.go`" + `.

` + "`turnpike doctor -c node.yaml`" + ` looks at a machine before a node runs there, ` + "`turnpike doctor`" + ` at the running node of
` + "`--state`" + ` and its network namespace. A finding is *ok*, a *note* (to know; nothing is lost), a *warning* (costs packets,
speed or reach under some load) or a *problem* (does not work); warnings and problems make the exit code 3. The ids do not
change. ` + "`--fix`" + ` does what the last column says and nothing else, until the next boot: never the firewall, forwarding, or
what takes a link down. [tuning.md](tuning.md) says how to go on from here.

`

// doctorPage is the list of checks.
func doctorPage(string) ([]byte, error) {
	var t table
	t.WriteString(doctorHead)
	t.row("id", "looks whether", "because", "`--fix`")
	t.WriteString("|---|---|---|---|\n")
	for _, c := range doctor.Catalogue() {
		t.row(fmt.Sprintf("`%s`", c.ID), c.Title, c.Why, c.Mends)
	}
	return t.Bytes(), nil
}
