package main

import (
	"strings"

	"turnpike.dev/turnpike/control/metrics"
)

const metricsHead = `# Metrics

Generated from ` + "`control/metrics/families.go`" + `. They are at ` + "`admin.metrics`" + ` (http://127.0.0.1:9464/metrics), beside
what the Go runtime (` + "`go_`" + `) and the process (` + "`process_`" + `) tell of themselves. Counters begin at 0 with the process,
except those of ` + "`turnpike_relay_exits_total{path=\"xdp\"}`" + `, which the kernel keeps, and of interfaces and machine,
which begin with the system. No label grows with users, relays or peers: what belongs to one relay is shown by
` + "`turnpike relay show`" + `.

`

// metricsPage is the reference of the metrics.
func metricsPage(string) ([]byte, error) {
	var t table
	t.WriteString(metricsHead)
	t.row("name", "kind", "labels", "meaning")
	t.WriteString("|---|---|---|---|\n")
	for _, f := range metrics.Families() {
		t.row("`"+f.Name+"`", f.Kind, strings.Join(f.Labels, ", "), f.Help)
	}
	return t.Bytes(), nil
}
