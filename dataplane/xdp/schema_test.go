package xdp

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"

	"turnpike.dev/turnpike/bpf"
)

// layouts are the layouts of what is pinned, by schema. The last is that of bpf/layout.h
// and bpf/maps.h.
var layouts = map[int]string{
	1: "e6ede6db400ba03e",
	2: "5116aa034b8c502f",
	3: "600594abf7437627",
}

// A process that takes over tables must understand them: another layout is another
// schema.
// ME-06
func TestSchemaChangesWithTheLayout(t *testing.T) {
	spec, err := bpf.LoadRelay()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(spec.Maps)) {
		m := spec.Maps[name]
		if ofOneProgram(name) {
			continue
		}
		fmt.Fprintln(&text, name, m.Type, m.KeySize, m.ValueSize, m.Flags)
	}
	for _, name := range []string{"flow_key", "permission_key", "flow_stats", "more_sources", "share", "tables"} {
		var s *btf.Struct
		if err := spec.Types.TypeByName(name, &s); err != nil {
			t.Fatal(err)
		}
		describe(&text, s, "")
	}
	sum := sha256.Sum256([]byte(text.String()))
	if got := hex.EncodeToString(sum[:8]); got != layouts[schema] {
		t.Errorf("the layout is %s and not that of schema %d: raise schema in pins.go (once a release), and put the layout into this test", got, schema)
	}
}

// describe writes where every number of a struct lies.
func describe(to *strings.Builder, typ btf.Type, indent string) {
	switch typ := btf.UnderlyingType(typ).(type) {
	case *btf.Struct:
		for _, m := range typ.Members {
			fmt.Fprintln(to, indent, m.Name, m.Offset)
			describe(to, m.Type, indent+"\t")
		}
	case *btf.Array:
		fmt.Fprintln(to, indent, typ.Nelems)
		describe(to, typ.Type, indent+"\t")
	case *btf.Int:
		fmt.Fprintln(to, indent, typ.Size)
	}
}
