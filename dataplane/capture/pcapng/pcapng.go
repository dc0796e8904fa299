// Package pcapng writes capture files as Wireshark reads them
// (draft-ietf-opsawg-pcapng).
//
// It exists because what a capture of the relay has to say of a packet stands in the
// options of its block, comment, verdict and identity, and gopacket's writer has none of
// them. It writes what those need and nothing else: one section, Ethernet, nanoseconds.
package pcapng

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"
)

// Types of blocks (section 4 of the draft).
const (
	blockSection    = 0x0a0d0d0a
	blockInterface  = 1
	blockStatistics = 5
	blockPacket     = 6
)

// Options. Codes from 2 on belong to a type of block.
const (
	optEnd     = 0
	optComment = 1

	sectionOS          = 3
	sectionApplication = 4

	interfaceName        = 2
	interfaceDescription = 3
	interfaceResolution  = 9

	packetFlags   = 2
	packetDropped = 4
	packetID      = 5
	packetQueue   = 6
	packetVerdict = 7

	statisticsStart    = 2
	statisticsEnd      = 3
	statisticsReceived = 4
	statisticsDropped  = 5
)

const (
	byteOrderMagic = 0x1a2b3c4d
	lengthUnknown  = 1<<64 - 1
	ethernet       = 1
	nanoseconds    = 9 // 10^-9 s
	verdictXDP     = 2 // the verdict is what an XDP program returned
	maxText        = 0xfffc
)

// Section is what stands at the beginning of a file.
type Section struct {
	OS, Application string
	Comment         string
}

// Interface is a network interface that packets were seen on.
type Interface struct {
	Name        string
	Description string
	Snap        uint32 // no packet is kept longer; 0: no limit
}

// Direction says which way a packet went past its interface.
type Direction uint32

// Directions, as the flags of a packet have them.
const (
	Inbound  Direction = 1
	Outbound Direction = 2
)

// Packet is a frame with what is known of it.
type Packet struct {
	Interface int // as AddInterface gave it
	Time      time.Time
	Length    int    // of the frame on the wire
	Data      []byte // what was kept of it
	Comment   []byte
	Direction Direction
	ID        uint64 // the same for one packet on two interfaces
	Queue     uint32
	Verdict   uint64 // of the XDP program
	Dropped   uint64 // packets lost between the one before and this one
	// Plain: no program saw the packet; identity, queue and verdict are not written.
	Plain bool
}

// Statistics are an interface's at the end of the capture.
type Statistics struct {
	Start, End        time.Time
	Received, Dropped uint64 // packets; Received counts the dropped too
	Comment           string
}

// Writer writes one file. It hands each block to its writer whole.
type Writer struct {
	w          io.Writer
	block      []byte
	interfaces int
	written    uint64
}

// NewWriter begins a file.
func NewWriter(w io.Writer, s Section) (*Writer, error) {
	pw := &Writer{w: w}
	pw.begin(blockSection)
	pw.uint32(byteOrderMagic)
	pw.uint32(1) // version 1.0
	pw.uint64(lengthUnknown)
	pw.text(optComment, s.Comment)
	pw.text(sectionOS, s.OS)
	pw.text(sectionApplication, s.Application)
	return pw, pw.end()
}

// Written is the number of bytes of the file so far.
func (w *Writer) Written() uint64 { return w.written }

// AddInterface returns the number that packets name the interface by.
func (w *Writer) AddInterface(i Interface) (int, error) {
	w.begin(blockInterface)
	w.uint32(ethernet)
	w.uint32(i.Snap)
	w.text(interfaceName, i.Name)
	w.text(interfaceDescription, i.Description)
	w.option(interfaceResolution, []byte{nanoseconds})
	w.interfaces++
	return w.interfaces - 1, w.end()
}

// WritePacket writes a packet of an interface that was added.
func (w *Writer) WritePacket(p *Packet) error {
	if p.Interface < 0 || p.Interface >= w.interfaces {
		return fmt.Errorf("write a packet of interface %d: there are %d", p.Interface, w.interfaces)
	}
	w.begin(blockPacket)
	w.uint32(uint32(p.Interface))
	w.time(p.Time)
	w.uint32(uint32(len(p.Data)))
	w.uint32(uint32(p.Length))
	w.padded(p.Data)
	if len(p.Comment) > 0 {
		w.option(optComment, p.Comment[:min(len(p.Comment), maxText)])
	}
	w.head(packetFlags, 4)
	w.uint32(uint32(p.Direction))
	if p.Dropped > 0 {
		w.head(packetDropped, 8)
		w.uint64(p.Dropped)
	}
	if !p.Plain {
		w.head(packetID, 8)
		w.uint64(p.ID)
		w.head(packetQueue, 4)
		w.uint32(p.Queue)
		w.verdict(p.Verdict)
	}
	return w.end()
}

// WriteStatistics writes an interface's statistics: the last that is said of it.
func (w *Writer) WriteStatistics(number int, s Statistics) error {
	w.begin(blockStatistics)
	w.uint32(uint32(number))
	w.time(s.End)
	w.text(optComment, s.Comment)
	w.head(statisticsStart, 8)
	w.time(s.Start)
	w.head(statisticsEnd, 8)
	w.time(s.End)
	w.head(statisticsReceived, 8)
	w.uint64(s.Received)
	w.head(statisticsDropped, 8)
	w.uint64(s.Dropped)
	return w.end()
}

// begin starts a block; its length comes at the end.
func (w *Writer) begin(kind uint32) {
	w.block = w.block[:0]
	w.uint32(kind)
	w.uint32(0)
}

// end ends the options and the block, and writes it.
func (w *Writer) end() error {
	w.head(optEnd, 0)
	length := uint32(len(w.block) + 4)
	w.uint32(length)
	binary.LittleEndian.PutUint32(w.block[4:], length)
	n, err := w.w.Write(w.block)
	w.written += uint64(n)
	if err != nil {
		return fmt.Errorf("write to the capture file: %w", err)
	}
	return nil
}

func (w *Writer) uint32(n uint32) { w.block = binary.LittleEndian.AppendUint32(w.block, n) }
func (w *Writer) uint64(n uint64) { w.block = binary.LittleEndian.AppendUint64(w.block, n) }

// time writes a time as the format has it: the upper half first.
func (w *Writer) time(t time.Time) {
	ns := uint64(t.UnixNano())
	w.uint32(uint32(ns >> 32))
	w.uint32(uint32(ns))
}

// head begins an option.
func (w *Writer) head(code, length uint16) {
	w.block = binary.LittleEndian.AppendUint16(w.block, code)
	w.block = binary.LittleEndian.AppendUint16(w.block, length)
}

func (w *Writer) option(code uint16, value []byte) {
	w.head(code, uint16(len(value)))
	w.padded(value)
}

// text writes an option, or nothing for an empty text.
func (w *Writer) text(code uint16, s string) {
	if s == "" {
		return
	}
	s = s[:min(len(s), maxText)]
	w.head(code, uint16(len(s)))
	w.block = append(w.block, s...)
	w.pad(len(s))
}

func (w *Writer) verdict(returned uint64) {
	w.head(packetVerdict, 9)
	w.block = append(w.block, verdictXDP)
	w.uint64(returned)
	w.pad(9)
}

// padded writes bytes up to a multiple of four.
func (w *Writer) padded(b []byte) {
	w.block = append(w.block, b...)
	w.pad(len(b))
}

func (w *Writer) pad(length int) {
	var zeros [3]byte
	w.block = append(w.block, zeros[:-length&3]...)
}
