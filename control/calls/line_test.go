package calls

import (
	"encoding/json"
	"math"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// fill puts something into everything that a value has, or not, as said by some.
func fill(v reflect.Value, some func() bool, text func() string, number func() float64) {
	switch v.Interface().(type) {
	case time.Time:
		if some() {
			v.Set(reflect.ValueOf(time.Unix(int64(math.Mod(number(), 1e3)*1e6), 123).UTC()))
		}
		return
	case netip.AddrPort:
		if some() {
			v.Set(reflect.ValueOf(netip.MustParseAddrPort("[2001:db8::1]:5060")))
		}
		return
	}
	if v.Kind() != reflect.Struct && !some() {
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), some, text, number)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), some, text, number)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), some, text, number)
		}
	case reflect.String:
		v.SetString(text())
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(number() * 1000))
	case reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(math.Abs(number()) * 1000))
	case reflect.Float64:
		v.SetFloat(number())
	default:
		panic("fill it too: " + v.Type().String())
	}
}

// A record is the call as everything else shows it, whatever is in it.
func TestRecordIsTheJSONOfTheCall(t *testing.T) {
	same := func(t interface{ Fatal(...any) }, c *Call) {
		want, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(appendCall(nil, c))); diff != "" {
			t.Fatal(diff)
		}
	}
	t.Run("nothing", func(t *testing.T) { same(t, &Call{}) })
	t.Run("everything", func(t *testing.T) {
		var c Call
		fill(reflect.ValueOf(&c).Elem(), func() bool { return true }, func() string { return "text" }, func() float64 { return 1.5 })
		same(t, &c)
	})
	t.Run("anything", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			var c Call
			fill(reflect.ValueOf(&c).Elem(),
				func() bool { return rapid.Bool().Draw(t, "some") },
				func() string {
					return rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"<a&b>", "\x00\x1b\u2028", "\xff", `"\`, "sip:alice@example.test"})).Draw(t, "text")
				},
				func() float64 {
					return rapid.OneOf(rapid.Float64Range(-1e4, 1e4), rapid.SampledFrom([]float64{1e-7, -1e-9, 0, 1e12})).Draw(t, "number")
				})
			same(t, &c)
		})
	})
}

func BenchmarkRecord(b *testing.B) {
	var c Call
	fill(reflect.ValueOf(&c).Elem(), func() bool { return true }, func() string { return "sip:alice@example.test" }, func() float64 { return 1.5 })
	b.Run("line", func(b *testing.B) {
		var line []byte
		b.ReportAllocs()
		for b.Loop() {
			line = appendCall(line[:0], &c)
		}
	})
	b.Run("encoding/json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := json.Marshal(&c); err != nil {
				b.Fatal(err)
			}
		}
	})
}
