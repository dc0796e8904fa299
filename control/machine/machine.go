// Package machine reads what the system counts around the relay: what the node's
// interfaces carried, and what was lost before a packet met the relay or after it
// had left.
//
// It exists because "packets are missing" is seldom the relay's doing: a full ring
// of the network card, a CPU that came too late, a socket whose buffer was too
// small lose packets that no counter of the relay ever sees. Whoever looks for a loss
// finds all of them in one place, each with what to do about it.
package machine

import (
	"fmt"
	"os"

	"github.com/vishvananda/netlink"
)

// Link is an interface with what it carried since it came up, as its driver counts it.
type Link struct {
	Name     string `json:"name"`
	Receive  Side   `json:"receive"`
	Transmit Side   `json:"transmit"`
}

// Side is one direction of an interface.
type Side struct {
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
	Dropped uint64 `json:"dropped"`
}

// Links reads the named interfaces of this network namespace. One that is not there is left out.
func Links(names []string) []Link {
	links := make([]Link, 0, len(names))
	for _, name := range names {
		st, ok := statistics(name)
		if !ok {
			continue
		}
		links = append(links, Link{
			Name:     name,
			Receive:  Side{st.RxPackets, st.RxBytes, st.RxDropped + st.RxMissedErrors},
			Transmit: Side{st.TxPackets, st.TxBytes, st.TxDropped},
		})
	}
	return links
}

func statistics(name string) (*netlink.LinkStatistics, bool) {
	link, err := netlink.LinkByName(name)
	if err != nil || link.Attrs().Statistics == nil {
		return nil, false
	}
	return link.Attrs().Statistics, true
}

// Loss is how many packets the machine lost for one reason since it started.
type Loss struct {
	Reason    string `json:"reason"`
	Interface string `json:"interface,omitempty"` // empty: of the whole machine
	Late      bool   `json:"late,omitempty"`      // nothing was lost, it only took longer
	Packets   uint64 `json:"packets"`
	Text      string `json:"text"` // what it means and what to do
}

// Losses reads all of them, those that never happened too. What cannot be read is an
// error and left out; the rest is returned.
func Losses(names []string) ([]Loss, error) {
	losses, err := machineLosses(procFiles{})
	for _, name := range names {
		if st, ok := statistics(name); ok {
			losses = append(losses, linkLosses(name, st)...)
		}
	}
	return losses, err
}

// files is where the system's own tables are read.
type files interface {
	read(name string) (string, error)
}

// procFiles are those of this thread's network namespace: the process's may be another.
type procFiles struct{}

func (procFiles) read(name string) (string, error) {
	text, err := os.ReadFile("/proc/thread-self/net/" + name)
	if err != nil {
		return "", fmt.Errorf("read the system's counters: %w", err)
	}
	return string(text), nil
}
