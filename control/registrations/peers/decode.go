package peers

import (
	"math"
	"net/netip"
	"time"
)

// decode reads a row. Its texts are parts of value.
func decode(value string) (row, error) {
	var r row
	if len(value) < rowHeader+1 || value[0] != rowVersion {
		return r, errRow
	}
	in := reader{left: value[rowHeader+1:]}
	r.Stamp, r.Flags = time.UnixMicro(stampOf(value)), value[rowHeader]
	r.Q = uint16(in.number(math.MaxUint16))
	r.RegID = uint32(in.number(math.MaxUint32))
	r.ID = in.number(math.MaxUint64)
	r.Endpoint = in.number(math.MaxUint64)
	r.Expiry = time.Duration(in.number(maxSeconds)) * time.Second
	r.Since = time.Unix(int64(in.number(math.MaxInt64)), 0)
	copy(r.Serial[:], in.take(len(r.Serial)))
	r.Source = in.source()
	r.AOR = in.text(maxName)
	for range in.number(maxAlso) {
		r.Also = append(r.Also, in.text(maxName))
	}
	for _, to := range []*string{&r.Contact, &r.Inst, &r.Transport, &r.UserAgent, &r.Subzone, &r.Account, &r.Zone} {
		*to = in.text(maxText)
	}
	if in.bad || r.AOR == "" {
		return row{}, errRow
	}
	return r, nil
}

// reader takes fields off the beginning of a text until one does not fit.
type reader struct {
	left string
	bad  bool
}

func (r *reader) take(n int) string {
	if r.bad || n > len(r.left) {
		r.bad = true
		return ""
	}
	s := r.left[:n]
	r.left = r.left[n:]
	return s
}

// number takes a uvarint of at most limit; one that is larger is 0 and bad.
func (r *reader) number(limit uint64) uint64 {
	var n uint64
	for shift := 0; ; shift += 7 {
		s := r.take(1)
		if r.bad || shift > 63 || shift == 63 && s[0] > 1 {
			r.bad = true
			return 0
		}
		n |= uint64(s[0]&0x7f) << shift
		if s[0] < 0x80 {
			break
		}
	}
	if n > limit {
		r.bad = true
		return 0
	}
	return n
}

func (r *reader) text(limit uint64) string {
	return r.take(int(r.number(limit)))
}

func (r *reader) source() netip.AddrPort {
	var a netip.AddrPort
	if text := r.text(32); !r.bad && a.UnmarshalBinary([]byte(text)) != nil {
		r.bad = true
	}
	return a
}
