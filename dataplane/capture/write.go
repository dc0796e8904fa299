package capture

import (
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/capture/pcapng"
	"turnpike.dev/turnpike/dataplane/relay"
)

// file is the capture file: records in, blocks out.
type file struct {
	*pcapng.Writer
	snap    uint32
	epoch   time.Time // of the programs' clock
	began   time.Time
	numbers map[uint32]int    // interface index to number in the file
	users   map[uint64]string // as comments show them
	packets uint64
	frames  uint64
	comment []byte
}

// newFile begins a file with the interfaces that are known.
func newFile(w io.Writer, about string, snap int, interfaces []Interface) (*file, error) {
	now := time.Now()
	f := &file{
		snap: uint32(snap), epoch: now.Add(-monotonic()), began: now,
		numbers: map[uint32]int{}, users: map[uint64]string{},
	}
	var err error
	if f.Writer, err = pcapng.NewWriter(w, pcapng.Section{OS: kernelRelease(), Application: "turnpike", Comment: about}); err != nil {
		return nil, err
	}
	for _, i := range interfaces {
		if err := f.addInterface(uint32(i.Index), i.Name); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (f *file) addInterface(index uint32, name string) error {
	n, err := f.AddInterface(pcapng.Interface{Name: name, Description: "turnpike relay, XDP", Snap: f.snap})
	f.numbers[index] = n
	return err
}

// number returns an interface's in the file; one that appears later is added.
func (f *file) number(index uint32) (int, error) {
	if n, ok := f.numbers[index]; ok {
		return n, nil
	}
	name := "unknown"
	if i, err := net.InterfaceByIndex(int(index)); err == nil {
		name = i.Name
	}
	err := f.addInterface(index, name)
	return f.numbers[index], err
}

// learn takes in whose relays are whose. Relays that are gone are forgotten late: records
// of them may still be on their way.
func (f *file) learn(relays []Relay) {
	if len(f.users) > 2*len(relays)+forgetful {
		clear(f.users)
	}
	for i := range relays {
		f.users[relays[i].ID] = word(relays[i].User)
	}
}

// forgetful is how many relays that are gone are remembered at most.
const forgetful = 4096

// write writes a packet as it came and, if it was sent on, as it left.
func (f *file) write(r *record) error {
	f.packets++
	p := pcapng.Packet{ID: f.packets, Queue: r.Queue, Verdict: uint64(r.Verdict), Dropped: uint64(r.Lost)}
	p.Time, p.Length, p.Data = f.epoch.Add(time.Duration(r.CameNs)), int(r.InLength), r.in
	p.Direction = pcapng.Inbound
	if err := f.frame(r, r.InIfindex, "received", p); err != nil || r.OutKept == 0 {
		return err
	}
	p.Time, p.Length, p.Data = f.epoch.Add(time.Duration(r.LeftNs)), int(r.OutLength), r.out
	p.Direction, p.Dropped = pcapng.Outbound, 0
	return f.frame(r, r.OutIfindex, "sent", p)
}

func (f *file) frame(r *record, index uint32, what string, p pcapng.Packet) (err error) {
	if p.Interface, err = f.number(index); err != nil {
		return err
	}
	p.Comment = f.describe(r, what)
	f.frames++
	return f.WritePacket(&p)
}

// describe is a frame's comment: key=value, so that a display filter finds it
// (frame.comment contains "relay=17 ").
func (f *file) describe(r *record, what string) []byte {
	c := append(f.comment[:0], "relay="...)
	c = strconv.AppendUint(c, r.Relay, 10)
	c = append(c, " user="...)
	c = append(c, f.users[r.Relay]...)
	c = append(c, " direction="...)
	c = append(c, relay.Direction(r.Direction).String()...)
	c = append(c, " frame="...)
	c = append(c, what...)
	c = append(c, " verdict="...)
	c = append(c, verdict(r.Verdict)...)
	if r.Reason != uint16(bpf.ReasonForwarded) {
		c = append(c, " reason="...)
		c = append(c, bpf.Reason(r.Reason).String()...)
	}
	f.comment = c
	return c
}

// verdict names what the program returned (linux/bpf.h).
func verdict(v uint16) string {
	names := [...]string{"aborted", "drop", "pass", "tx", "redirect"}
	if int(v) < len(names) {
		return names[v]
	}
	return strconv.Itoa(int(v))
}

// maxUser is how much of a user's name a comment shows.
const maxUser = 128

// word keeps what came from the wire from looking like another key.
func word(s string) string {
	s = s[:min(len(s), maxUser)]
	if s == "" || strings.ContainsAny(s, " =") || strconv.Quote(s) != `"`+s+`"` {
		return strconv.Quote(s)
	}
	return s
}

// finish writes the statistics of all interfaces.
func (f *file) finish(tallies map[int]bpf.CaptureTally, s Summary) error {
	about := fmt.Sprintf("whole capture: %s", s)
	for _, index := range slices.Sorted(maps.Keys(f.numbers)) {
		n := f.numbers[index]
		t := tallies[int(index)]
		dropped := t.RingFull + t.RateCapped
		err := f.WriteStatistics(n, pcapng.Statistics{
			Start: f.began, End: time.Now(), Received: t.Recorded + dropped, Dropped: dropped, Comment: about,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// kernelRelease is for the section's header.
func kernelRelease() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "Linux"
	}
	return "Linux " + unix.ByteSliceToString(u.Release[:])
}
