package lab

import (
	"bytes"
	"os"
)

// autogroup is where a session's share of the processors is set (sched(7)).
const autogroup = "/proc/self/autogroup"

// ComeFirst gives everything that is measured a larger share of the processors than
// other programs have, and returns how to undo that. Nice values do not: with
// autogroups, which are the rule, they count only among the processes of one
// session. Those of this one compete with each other as before.
func ComeFirst() (undo func()) {
	enabled, err := os.ReadFile("/proc/sys/kernel/sched_autogroup_enabled")
	if err != nil || !bytes.HasPrefix(enabled, []byte("1")) {
		return func() {}
	}
	set := func(nice string) { _ = os.WriteFile(autogroup, []byte(nice), 0) } // a busy machine is no error
	set("-20")
	return func() { set("0") }
}
