package licences

import (
	"fmt"

	"turnpike.dev/turnpike/control/resources"
)

// wholeKey is the key of alarms about the capacity of the whole cluster, beside those about this node's.
const wholeKey = "cluster"

// wholeLimits are the levels that all peers of a cluster share where it counts as fewer than it has (CA-02), with the
// alarms that something comes near and that it is there.
func wholeLimits() []limit {
	return []limit{
		{level: resources.WholeCalls, near: alarmTraversalNear, at: alarmTraversalFull, what: "units of calls"},
		{level: resources.WholeRegistrations, near: 30010, at: 30030, what: "registrations"},
		{level: resources.WholeProxied, near: 30010, at: 30030, what: "registrations with other registrars"},
		{level: resources.WholeRelays, near: 30005, at: 30024, what: "TURN relays"},
	}
}

// tellWhole raises and lowers the alarms about the capacity of the whole cluster.
func (k *Keeper) tellWhole(levels []resources.Level, warnAt int) {
	for _, l := range wholeLimits() {
		level, ok := find(levels, l.level)
		detail := fmt.Sprintf("all peers together use %d of %d %s, which is what the cluster carries", level.Used, level.Limit, l.what)
		key := wholeKey
		if l.level == resources.WholeProxied { // which shares the numbers of registrations here
			key = l.level
		}
		k.tellCluster(l.near, key, ok && near(level, warnAt), detail)
		k.tellCluster(l.at, key, ok && level.Limit > 0 && level.Used >= level.Limit, detail)
	}
}

// tellCluster raises an alarm about the cluster while it is wanted and lowers it otherwise.
func (k *Keeper) tellCluster(number int, key string, wanted bool, detail string) {
	if wanted {
		k.deps.Alarms.Raise(number, key, detail)
	} else {
		k.deps.Alarms.Lower(number, key)
	}
}
