package bpf

import (
	"reflect"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
)

// The structs that both sides lay over the same memory: the object's type information
// says how the program has them, and Go how it has them.
func TestLayoutsAreEqual(t *testing.T) {
	spec, err := LoadRelay()
	if err != nil {
		t.Fatal(err)
	}
	for name, is := range map[string]any{
		"flow_key": RelayFlowKey{}, "flow_tag": RelayFlowTag{}, "slot": RelaySlot{}, "slot6": RelaySlot6{},
		"hop": RelayHop{}, "flow_stats": RelayFlowStats{}, "more_sources": RelayMoreSources{},
		"rtp_source": RelayRtpSource{}, "permission_key": RelayPermissionKey{}, "tables": RelayTables{},
		"crowd": RelayCrowd{}, "bucket": RelayBucket{}, "bucket_set": RelayBucketSet{}, "share": RelayShare{},
	} {
		t.Run(name, func(t *testing.T) {
			var c *btf.Struct
			if err := spec.Types.TypeByName(name, &c); err != nil {
				t.Fatal(err)
			}
			sameStruct(t, c, reflect.TypeOf(is))
		})
	}
}

func sameStruct(t *testing.T, c *btf.Struct, g reflect.Type) {
	t.Helper()
	if uintptr(c.Size) != g.Size() {
		t.Errorf("size %d in C, %d in Go", c.Size, g.Size())
	}
	var fields []reflect.StructField
	for i := range g.NumField() {
		if f := g.Field(i); f.Name != "_" {
			fields = append(fields, f)
		}
	}
	if len(fields) != len(c.Members) {
		t.Fatalf("%d members in C, %d in Go", len(c.Members), len(fields))
	}
	for i, m := range c.Members {
		f := fields[i]
		if !strings.EqualFold(strings.ReplaceAll(m.Name, "_", ""), f.Name) {
			t.Errorf("member %d is %s in C, %s in Go", i, m.Name, f.Name)
		}
		if at := uintptr(m.Offset.Bytes()); at != f.Offset {
			t.Errorf("%s is at %d in C, %d in Go", m.Name, at, f.Offset)
		}
		size, err := btf.Sizeof(m.Type)
		if err != nil {
			t.Fatal(err)
		}
		if uintptr(size) != f.Type.Size() {
			t.Errorf("%s has %d bytes in C, %d in Go", m.Name, size, f.Type.Size())
		}
	}
}

// The program reads a slot with one access to memory, and each CPU its own counters.
func TestHotStructsAreCacheLines(t *testing.T) {
	const line = 64
	for name, size := range map[string]uintptr{
		"slot":                  reflect.TypeFor[RelaySlot]().Size(),
		"flow_stats":            reflect.TypeFor[RelayFlowStats]().Size(),
		"bucket":                reflect.TypeFor[RelayBucket]().Size(),
		"share":                 reflect.TypeFor[RelayShare]().Size(),
		"where the buckets are": offsetOf(t, "Buckets"),
		"where the slots begin": offsetOf(t, "Slots"),
		"where the hops begin":  offsetOf(t, "Hops"),
	} {
		if size%line != 0 {
			t.Errorf("%s: %d bytes are no whole cache lines", name, size)
		}
	}
}

func offsetOf(t *testing.T, field string) uintptr {
	t.Helper()
	f, ok := reflect.TypeFor[RelayTables]().FieldByName(field)
	if !ok {
		t.Fatalf("tables have no %s", field)
	}
	return f.Offset
}

// The generated enum of the program and that of the process are one.
func TestReasonsAreEqual(t *testing.T) {
	spec, err := LoadRelay()
	if err != nil {
		t.Fatal(err)
	}
	var enum *btf.Enum
	if err := spec.Types.TypeByName("reason", &enum); err != nil {
		t.Fatal(err)
	}
	for _, v := range enum.Values {
		name := strings.ToLower(strings.TrimPrefix(v.Name, "REASON_"))
		if name == "count" {
			if v.Value != uint64(ReasonCount) {
				t.Errorf("%d reasons in C, %d in Go", v.Value, ReasonCount)
			}
			continue
		}
		if got := Reason(v.Value).String(); got != name {
			t.Errorf("reason %d is %s in C, %s in Go", v.Value, name, got)
		}
	}
	if most := spec.Maps[RelayMapExits].MaxEntries; most < uint32(ReasonCount) {
		t.Errorf("%d counters for %d reasons", most, ReasonCount)
	}
}

func TestEveryReasonSaysWhatToDo(t *testing.T) {
	seen := map[string]Reason{}
	for r := range ReasonCount {
		if r.String() == "" || r.Text() == "" || r.Verdict() == "" {
			t.Errorf("reason %d has name %q, verdict %q, text %q", r, r.String(), r.Verdict(), r.Text())
		}
		if other, ok := seen[r.String()]; ok {
			t.Errorf("reasons %d and %d are both %s", other, r, r)
		}
		seen[r.String()] = r
	}
}
