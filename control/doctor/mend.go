package doctor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/safchain/ethtool"
	"golang.org/x/sys/unix"
)

// Done is one thing that --fix did or failed to do.
type Done struct {
	ID      ID     `json:"id"`
	Subject string `json:"subject"`
	Command string `json:"command"` // as an operator would have done it
	Error   string `json:"error,omitempty"`
}

// mend is a change that is safe: it lasts until the next boot, concerns the node's own
// interfaces or a limit, and takes nothing away from other programs.
type mend struct {
	kind       mendKind
	on         string // sysctl (with slashes), interface, or directory
	key, value string // of an offload: its kernel name, and on or off
}

type mendKind uint8

const (
	mendSysctl mendKind = iota
	mendOffload
	mendBPFFS
)

func setSysctl(key, value string) mend { return mend{kind: mendSysctl, on: key, value: value} }

func setOffload(dev, feature string, on bool) mend {
	m := mend{kind: mendOffload, on: dev, key: feature, value: "off"}
	if on {
		m.value = "on"
	}
	return m
}

// command is the mend as an operator types it.
func (m mend) command() string {
	switch m.kind {
	case mendSysctl:
		return fmt.Sprintf("sysctl -w '%s=%s'", m.on, m.value)
	case mendOffload:
		return fmt.Sprintf("ethtool -K %s %s %s", m.on, m.key, m.value)
	default:
		return "mount -t bpf bpf " + m.on
	}
}

// do makes the change in the namespace of the calling thread.
func (m mend) do() error {
	switch m.kind {
	case mendSysctl:
		return os.WriteFile(filepath.Join("/proc/sys", m.on), []byte(m.value), 0o644)
	case mendOffload:
		return changeOffload(m.on, m.key, m.value == "on")
	default:
		return unix.Mount("bpf", m.on, "bpf", 0, "mode=0700")
	}
}

// changeOffload switches a feature and makes sure that it is switched: drivers keep some
// without an error.
func changeOffload(dev, feature string, on bool) error {
	e, err := ethtool.NewEthtool()
	if err != nil {
		return err
	}
	defer e.Close()
	if err := e.Change(dev, map[string]bool{feature: on}); err != nil {
		return err
	}
	now, err := e.Features(dev)
	if err == nil && now[feature] != on {
		err = errors.New("the driver did not change it")
	}
	return err
}

// mendAll makes each change that findings ask for once.
func mendAll(findings []Finding) []Done {
	var did []mend
	var done []Done
	for _, f := range findings {
		for _, m := range f.mends {
			if slices.Contains(did, m) {
				continue
			}
			did = append(did, m)
			d := Done{ID: f.ID, Subject: f.Subject, Command: m.command()}
			if err := m.do(); err != nil {
				d.Error = strings.TrimSpace(err.Error())
			}
			done = append(done, d)
		}
	}
	return done
}
