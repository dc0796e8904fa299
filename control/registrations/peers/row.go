package peers

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"time"

	"turnpike.dev/turnpike/cluster/rows"
	"turnpike.dev/turnpike/control/dialplan"
	"turnpike.dev/turnpike/control/registrations"
)

// A row is: version, stamp, then numbers and texts in the order of row, each text behind
// its length. What follows is of later versions, and left alone.
const (
	rowVersion = 1
	rowHeader  = 1 + 8

	maxName    = 512 // alias.MaxLength
	maxAlso    = 32
	maxText    = 512 // of what is shown to people
	maxSeconds = math.MaxInt32
)

// Flags of a row.
const (
	flagH323 = 1 << iota
	flagOutbound
	flagBroken
	flagProxied
)

// errRow says that a row is none.
var errRow = errors.New("it is no registration as this version writes them")

// row is a binding as peers tell each other.
type row struct {
	Stamp    time.Time // of the registration: the newest counts
	Flags    byte
	Q        uint16
	RegID    uint32
	ID       uint64
	Endpoint uint64 // registrations.Binding.Endpoint: of texts that may be cut short here
	Serial   registrations.Serial
	Since    time.Time
	Expiry   time.Duration // that the endpoint has at each refresh
	Source   netip.AddrPort
	AOR      string
	Also     []string
	Contact  string
	Inst     string
	// For people.
	Transport, UserAgent, Subzone, Account, Zone string
}

// Newer says which of two rows of one key counts: the registration that was made later.
func Newer(a, b string) bool { return stampOf(a) > stampOf(b) }

func stampOf(value string) int64 {
	if len(value) < rowHeader {
		return math.MinInt64
	}
	var n uint64
	for i := 1; i < rowHeader; i++ {
		n = n<<8 | uint64(value[i])
	}
	return int64(n)
}

// keyOf names a binding as the registrar tells endpoints apart: by instance and flow
// where it has one (RFC 5626 section 6), or else by its contact.
func keyOf(b *registrations.Binding) rows.Key {
	k := Prefix + b.Protocol.String() + " " + b.AOR + " "
	if b.Proxied {
		k += "by " + b.Zone + " "
	}
	if b.Instance != "" {
		k += b.Instance + " " + strconv.FormatUint(uint64(b.RegID), 10)
	} else {
		k += b.Contact
	}
	if len(k) <= rows.MaxKey {
		return rows.Key(k)
	}
	sum := sha256.Sum256([]byte(k))
	return rows.Key(fmt.Sprintf("%slong %x", Prefix, sum))
}

// rowOf is what the peers are told of a binding. Its parameters, path and order of requests
// are its owner's business.
func rowOf(b *registrations.Binding, stamp time.Time) row {
	r := row{
		Stamp: stamp, Q: b.Q, RegID: b.RegID, ID: b.ID, Endpoint: b.Endpoint(), Serial: b.Serial, Since: b.Since, Expiry: b.Expires.Sub(b.Renewed),
		Source: b.Source, AOR: b.AOR, Also: b.Also[:min(len(b.Also), maxAlso)], Contact: short(b.Contact), Inst: short(b.Instance),
		Transport: b.Transport, UserAgent: short(b.UserAgent), Subzone: short(b.Subzone), Account: short(b.Account), Zone: short(b.Zone),
	}
	for _, f := range []struct {
		is   bool
		flag byte
	}{{b.Protocol == dialplan.H323, flagH323}, {b.Outbound, flagOutbound}, {b.Broken, flagBroken}, {b.Proxied, flagProxied}} {
		if f.is {
			r.Flags |= f.flag
		}
	}
	return r
}

func short(s string) string { return s[:min(len(s), maxText)] }

// binding is the row as the operator's list has it.
func (r *row) binding(now time.Time) registrations.Binding {
	b := registrations.Binding{
		ID: r.ID, Serial: r.Serial, Protocol: dialplan.SIP, AOR: r.AOR, Also: r.Also, Contact: r.Contact, Instance: r.Inst, RegID: r.RegID,
		Q: r.Q, Source: r.Source, Transport: r.Transport, Outbound: r.Flags&flagOutbound != 0, Broken: r.Flags&flagBroken != 0,
		Since: r.Since, Renewed: r.Stamp, Expires: now.Add(r.Expiry), UserAgent: r.UserAgent, Subzone: r.Subzone, Account: r.Account,
		Proxied: r.Flags&flagProxied != 0, Zone: r.Zone,
	}
	if r.Flags&flagH323 != 0 {
		b.Protocol = dialplan.H323
	}
	return b
}

// seconds is how long the endpoint is good for, in whole seconds.
func (r *row) seconds() uint64 {
	return uint64(min(max((r.Expiry+time.Second-1)/time.Second, 1), maxSeconds))
}

// encode writes the row.
func (r *row) encode() string {
	dst := make([]byte, 0, 256)
	dst = append(dst, rowVersion)
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.Stamp.UnixMicro()))
	dst = append(dst, r.Flags)
	for _, n := range []uint64{uint64(r.Q), uint64(r.RegID), r.ID, r.Endpoint, r.seconds(), uint64(max(r.Since.Unix(), 0))} {
		dst = binary.AppendUvarint(dst, n)
	}
	dst = append(dst, r.Serial[:]...)
	source, _ := r.Source.MarshalBinary() // never fails
	dst = appendText(dst, string(source))
	dst = appendText(dst, r.AOR)
	dst = binary.AppendUvarint(dst, uint64(len(r.Also)))
	for _, name := range r.Also {
		dst = appendText(dst, name)
	}
	for _, s := range []string{r.Contact, r.Inst, r.Transport, r.UserAgent, r.Subzone, r.Account, r.Zone} {
		dst = appendText(dst, s)
	}
	return string(dst)
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}
