package capture

import (
	"errors"
	"fmt"
	"os"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/bpf"
)

// FastPath is the kernel's relay, as a capture uses it: it lets another program stand in
// for its own.
type FastPath interface {
	// Share returns the maps, by their names in the spec, that a program must have in common
	// with the one it stands in for. Close them.
	Share(spec *ebpf.CollectionSpec) (map[string]*ebpf.Map, error)
	// StandIn puts a program on the interfaces without a packet in between; nil brings the
	// relay's own back.
	StandIn(p *ebpf.Program) error
}

// Interface is one that the program is attached to.
type Interface struct {
	Index int
	Name  string
}

// objects are those of the program that the process uses.
type objects struct {
	Captured   *ebpf.Program  `ebpf:"captured"`
	Chosen     *ebpf.Map      `ebpf:"chosen"`
	Records    *ebpf.Map      `ebpf:"records"`
	Tallies    *ebpf.Map      `ebpf:"tallies"`
	Progresses *ebpf.Map      `ebpf:"progresses"`
	Scopes     *ebpf.Variable `ebpf:"scopes"`
	UntilNs    *ebpf.Variable `ebpf:"until_ns"`
}

// kernel is the part of a capture that is in the kernel.
type kernel struct {
	objects
	path   FastPath
	reader *ringbuf.Reader
	stands bool // the program stands in for the relay's own
}

// openKernel loads the program; attach has packets meet it.
func openKernel(path FastPath, interfaces []Interface, o Options) (_ *kernel, err error) {
	k := &kernel{path: path}
	defer func() {
		if err != nil {
			err = errors.Join(err, k.close())
		}
	}()
	if err := k.load(o); err != nil {
		return nil, fmt.Errorf("load the capturing program: %w", err)
	}
	if k.reader, err = ringbuf.NewReader(k.Records); err != nil {
		return nil, fmt.Errorf("open the capture's ring buffer: %w", err)
	}
	return k, k.prepareTallies(interfaces)
}

func (k *kernel) load(o Options) error {
	spec, err := bpf.LoadCapture()
	if err != nil {
		return err
	}
	if err := size(spec, o); err != nil {
		return err
	}
	shared, err := k.path.Share(spec)
	if err != nil {
		return err
	}
	err = spec.LoadAndAssign(&k.objects, &ebpf.CollectionOptions{MapReplacements: shared})
	for _, m := range shared {
		err = errors.Join(err, m.Close())
	}
	return err
}

// size sets the ring's size and the constants.
func size(spec *ebpf.CollectionSpec, o Options) error {
	spec.Maps[bpf.CaptureMapRecords].MaxEntries = uint32(max(o.Ring, os.Getpagesize()))
	batch := o.batch()
	cost := uint64(batch) * uint64(time.Second) / uint64(o.Rate)
	v := spec.Variables
	return errors.Join(
		v[bpf.CaptureVarSnapLength].Set(uint32(o.Snap)),
		v[bpf.CaptureVarWakeBytes].Set(uint32(o.Ring/8)),
		v[bpf.CaptureVarBatch].Set(batch),
		v[bpf.CaptureVarBatchNs].Set(cost),
		v[bpf.CaptureVarBurstNs].Set(uint64(burst)+cost),
	)
}

// lease is how long the program records without hearing of the process. A capture whose
// process is gone ends with it; relaying does not.
const lease = time.Second

// renew has the program record on for a lease.
func (k *kernel) renew() error {
	if err := k.UntilNs.Set(uint64(monotonic() + lease)); err != nil {
		return fmt.Errorf("renew the capture: %w", err)
	}
	return nil
}

// attach has packets meet the program.
func (k *kernel) attach() error {
	if err := k.renew(); err != nil {
		return err
	}
	if err := k.path.StandIn(k.Captured); err != nil {
		return fmt.Errorf("put the capturing program in place: %w", err)
	}
	k.stands = true
	return nil
}

// detach brings the relay's own program back. What is in the ring can still be read.
func (k *kernel) detach() error {
	if !k.stands {
		return nil
	}
	k.stands = false
	return k.path.StandIn(nil)
}

func (k *kernel) close() error {
	err := k.detach()
	if k.reader != nil {
		err = errors.Join(err, k.reader.Close())
	}
	for _, c := range []interface{ Close() error }{k.Captured, k.Chosen, k.Records, k.Tallies, k.Progresses} {
		err = errors.Join(err, c.Close())
	}
	return err
}

// patience is how long records may wait in the ring for the reader to look.
const patience = 20 * time.Millisecond

// prepareTallies makes an interface's counters, and those of all others (index 0).
func (k *kernel) prepareTallies(interfaces []Interface) error {
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return fmt.Errorf("count CPUs: %w", err)
	}
	for _, i := range append([]Interface{{}}, interfaces...) {
		if err := k.Tallies.Put(uint32(i.Index), make([]bpf.CaptureTally, cpus)); err != nil {
			return fmt.Errorf("make the capture's counters: %w", err)
		}
	}
	return nil
}

// tallies reads what became of the chosen packets of each interface.
func (k *kernel) tallies() (map[int]bpf.CaptureTally, error) {
	var index uint32
	var cpus []bpf.CaptureTally
	sums := map[int]bpf.CaptureTally{}
	all := k.Tallies.Iterate()
	for all.Next(&index, &cpus) {
		var sum bpf.CaptureTally
		for _, c := range cpus {
			sum.Recorded += c.Recorded
			sum.RingFull += c.RingFull
			sum.RateCapped += c.RateCapped
		}
		sums[int(index)] = sum
	}
	if err := all.Err(); err != nil {
		return nil, fmt.Errorf("read the capture's counters: %w", err)
	}
	return sums, nil
}

// record is a packet as the programs recorded it. Its frames are only valid until the
// next one is read.
type record struct {
	bpf.CaptureRecord
	in, out []byte
}

const headerSize = int(unsafe.Sizeof(bpf.CaptureRecord{}))

// errRecord says that a record is not what the programs write.
var errRecord = errors.New("the ring buffer has a record that is not the capture's")

// decode takes a record of the ring buffer apart.
func decode(sample []byte) (r record, err error) {
	if len(sample) < headerSize {
		return r, errRecord
	}
	r.CaptureRecord = *(*bpf.CaptureRecord)(unsafe.Pointer(&sample[0]))
	frames := sample[headerSize:]
	in, out := uint64(r.InKept), uint64(r.OutKept)
	if in+out > uint64(len(frames)) || r.Reason >= uint16(bpf.ReasonCount) {
		return r, errRecord
	}
	r.in, r.out = frames[:in], frames[in:in+out]
	return r, nil
}

// monotonic is the clock that the programs read.
func monotonic() time.Duration { return clock(unix.CLOCK_MONOTONIC) }

func clock(id int32) time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(id, &ts) // fails only for an unknown clock
	return time.Duration(ts.Nano())
}
