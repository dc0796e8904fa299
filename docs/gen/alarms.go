package main

import (
	"bytes"
	"fmt"
	"strings"

	"turnpike.dev/turnpike/control/alarms"
)

const alarmsHead = `# Alarms

Generated from the catalogue in ` + "`control/alarms`" + `; each number has a page.

` + "`turnpike alarm list`" + ` shows what stands, the worst first; ` + "`turnpike alarm show NUMBER`" + ` says what it means and what to do;
` + "`turnpike alarm ack`" + ` says that somebody has seen it. An alarm goes when what it tells of is mended, not by being seen. What stands
outlives a restart of the node, except for alarms that a restart cures. One that comes and goes is one alarm with a count, and the log is
spared it until it has been quiet for a minute; of one number at most 32 keys stand apart, and more are counted together. In the event log the
records are ` + "`Alarm Raised`, `Alarm Lowered` and `Alarm Acknowledged`" + `; the metric is ` + "`turnpike_alarms`" + `.

`

// alarmPages are the list of alarms and a page for each, by the names of their files.
func alarmPages() map[string][]byte {
	var t table
	t.WriteString(alarmsHead)
	t.row("number", "severity", "title", "raised by")
	t.WriteString("|---|---|---|---|\n")
	pages := map[string][]byte{}
	for _, k := range alarms.Catalogue() {
		name := fmt.Sprintf("%d.md", k.Number)
		t.row(fmt.Sprintf("[%d](%s)", k.Number, name), k.Severity.String(), k.Title, proof(k))
		pages[name] = alarmPage(k)
	}
	pages["README.md"] = t.Bytes()
	return pages
}

// proof is the test that causes and cures an alarm, or why there is none.
func proof(k alarms.Kind) string {
	switch {
	case k.Never != "":
		return "nothing: " + k.Never
	case k.Proof == "":
		return fmt.Sprintf("nothing yet: issue %d", k.Issue)
	}
	dir, test, _ := strings.Cut(k.Proof, " ")
	return fmt.Sprintf("`%s` in %s", test, dir)
}

func alarmPage(k alarms.Kind) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %d %s\n\nGenerated from the catalogue in `control/alarms`. Severity: %s.\n\n", k.Number, k.Title, k.Severity)
	fmt.Fprintf(&b, "**What it means.** %s\n\n**What to do.** %s\n", k.Text, k.Remedy)
	if k.After > 0 {
		fmt.Fprintf(&b, "\nIt shows when it has been so for %s.\n", k.After)
	}
	for _, d := range k.DependsOn {
		fmt.Fprintf(&b, "\nWhile [%d](%d.md) stands, that explains it: see there first.\n", d, d)
	}
	if k.CuredByRestart {
		fmt.Fprint(&b, "\nA restart of the node lowers it.\n")
	}
	switch {
	case k.Never != "":
		fmt.Fprintf(&b, "\nNothing raises it here: %s.\n", k.Never)
	case k.Proof == "":
		fmt.Fprintf(&b, "\nNothing raises it yet: it waits for issue %d.\n", k.Issue)
	default:
		fmt.Fprintf(&b, "\nCaused and cured by the test %s.\n", proof(k))
	}
	return b.Bytes()
}
