package support

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path/filepath"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"turnpike.dev/turnpike/bpf"
)

// Kernel is what the kernel holds of a node, read from its pins: it is there also while
// no process lives.
type Kernel struct {
	Pins     string   `json:"pins"`
	Maps     []Map    `json:"maps"`
	Links    []Link   `json:"links"`
	Programs []string `json:"programs"` // all of the machine
	// Reasons are the packets that left the program, by reason; what was forwarded is
	// counted by the flows.
	Reasons map[string]uint64 `json:"reasons"`
	Flows   []Flow            `json:"flows"` // the first
	Errors  []string          `json:"errors,omitempty"`
}

// Map is a pinned map.
type Map struct {
	Path       string `json:"path"`
	Type       string `json:"type"`
	ID         uint32 `json:"id"`
	KeySize    uint32 `json:"key_size"`
	ValueSize  uint32 `json:"value_size"`
	MaxEntries uint32 `json:"max_entries"`
	Entries    int    `json:"entries,omitempty"` // of hashes
}

// Link is a pinned link: a program on an interface.
type Link struct {
	Path    string `json:"path"`
	ID      uint32 `json:"id"`
	Program uint32 `json:"program"`
	Ifindex uint32 `json:"ifindex,omitempty"`
}

// Flow is the key of a flow and where its slot is.
type Flow struct {
	Local   string `json:"local"`
	Remote  string `json:"remote"`
	Channel uint16 `json:"channel,omitempty"`
	Slot    uint32 `json:"slot"`
}

const (
	// maxFlows is how many flows are listed; of the others there is the count.
	maxFlows = 500
	// maxPrograms bounds the list of the machine's programs.
	maxPrograms = 512
)

// KernelPart is the part with everything below a directory of pins.
func KernelPart(pins func() (string, error)) Part {
	return JSON("kernel/kernel.json", func(context.Context) (Kernel, error) {
		dir, err := pins()
		if err != nil {
			return Kernel{}, err
		}
		return readKernel(dir)
	})
}

func readKernel(dir string) (Kernel, error) {
	k := Kernel{Pins: dir, Reasons: map[string]uint64{}, Programs: programs()}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return fmt.Errorf("read the pins: %w", err)
		case !entry.IsDir():
			k.pin(path)
		}
		return nil
	})
	return k, err
}

// pin reads what is pinned at a path: a map or else a link.
func (k *Kernel) pin(path string) {
	m, err := ebpf.LoadPinnedMap(path, &ebpf.LoadPinOptions{ReadOnly: true})
	if err == nil {
		defer func() { _ = m.Close() }()
		k.addMap(path, m)
		return
	}
	l, linkErr := link.LoadPinnedLink(path, nil)
	if linkErr != nil {
		k.Errors = append(k.Errors, fmt.Sprintf("%s: %v", path, errors.Join(err, linkErr)))
		return
	}
	defer func() { _ = l.Close() }()
	info, err := l.Info()
	if err != nil {
		k.Errors = append(k.Errors, fmt.Sprintf("%s: %v", path, err))
		return
	}
	one := Link{Path: path, ID: uint32(info.ID), Program: uint32(info.Program)}
	if x := info.XDP(); x != nil {
		one.Ifindex = x.Ifindex
	}
	k.Links = append(k.Links, one)
}

func (k *Kernel) addMap(path string, m *ebpf.Map) {
	one := Map{Path: path, Type: m.Type().String(), KeySize: m.KeySize(), ValueSize: m.ValueSize(), MaxEntries: m.MaxEntries()}
	if info, err := m.Info(); err == nil {
		if id, ok := info.ID(); ok {
			one.ID = uint32(id)
		}
	}
	switch filepath.Base(path) {
	case bpf.RelayMapFlows:
		one.Entries = k.addFlows(m)
	case bpf.RelayMapPermissions:
		one.Entries = count(m)
	case bpf.RelayMapExits:
		k.addReasons(m)
	}
	k.Maps = append(k.Maps, one)
}

func (k *Kernel) addFlows(m *ebpf.Map) (n int) {
	var key bpf.RelayFlowKey
	var slot uint32
	all := m.Iterate()
	for all.Next(&key, &slot) {
		if n++; n > maxFlows {
			continue
		}
		k.Flows = append(k.Flows, Flow{
			Local: endpoint(key.Local, key.LocalPort), Remote: endpoint(key.Remote, key.RemotePort),
			Channel: host(key.Channel), Slot: slot,
		})
	}
	if err := all.Err(); err != nil {
		k.Errors = append(k.Errors, "read the flows: "+err.Error())
	}
	return n
}

// count counts the entries of a hash.
func count(m *ebpf.Map) (n int) {
	key, value := make([]byte, m.KeySize()), make([]byte, m.ValueSize())
	for all := m.Iterate(); all.Next(&key, &value); {
		n++
	}
	return n
}

func (k *Kernel) addReasons(m *ebpf.Map) {
	for r := range bpf.ReasonCount {
		var perCPU []uint64
		if err := m.Lookup(uint32(r), &perCPU); err != nil {
			k.Errors = append(k.Errors, "read the reasons: "+err.Error())
			return
		}
		var sum uint64
		for _, n := range perCPU {
			sum += n
		}
		if sum > 0 {
			k.Reasons[bpf.Reason(r).String()] = sum
		}
	}
}

// endpoint reads an address and a port as the kernel holds them, in network order.
func endpoint(addr [16]uint8, port uint16) string {
	return netip.AddrPortFrom(netip.AddrFrom16(addr).Unmap(), host(port)).String()
}

// host brings a number of network order into the machine's.
func host(n uint16) uint16 {
	var b [2]byte
	binary.NativeEndian.PutUint16(b[:], n)
	return binary.BigEndian.Uint16(b[:])
}

// programs lists the BPF programs of the machine: another one on an interface explains much.
func programs() (list []string) {
	id := ebpf.ProgramID(0)
	for len(list) < maxPrograms {
		next, err := ebpf.ProgramGetNextID(id)
		if err != nil {
			return list // the end, or no permission: then the list is empty
		}
		id = next
		p, err := ebpf.NewProgramFromID(id)
		if err != nil {
			continue // it went meanwhile
		}
		if info, err := p.Info(); err == nil {
			list = append(list, fmt.Sprintf("%d %s %s tag %s", id, info.Type, info.Name, info.Tag))
		}
		_ = p.Close()
	}
	return list
}
