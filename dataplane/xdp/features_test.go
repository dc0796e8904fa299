package xdp

import (
	"testing"

	"turnpike.dev/turnpike/perf/lab"
)

// ME-03
func TestFeatures(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	r, err := newRouter()
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	for range 100 {
		f, err := r.drivers.features(deviceNamed(t, "s0").Attrs().Index)
		if err != nil {
			t.Fatal(err)
		}
		if f&featureXmit == 0 {
			t.Fatalf("features %#x", f)
		}
	}
	if _, err := r.drivers.features(12345); err == nil {
		t.Error("a device that is not there has features")
	}
}

// What lies about in memory does not get into a request.
func TestGenericHeaderIsWhole(t *testing.T) {
	h := genlHeader{command: 1, version: 2}
	if b := h.Serialize(); len(b) != h.Len() || string(b) != "\x01\x02\x00\x00" {
		t.Errorf("header is %x", b)
	}
}
