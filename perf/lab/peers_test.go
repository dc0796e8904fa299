package lab_test

import (
	"errors"
	"testing"
	"time"

	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/labtest"
)

func TestPeersReachEachOther(t *testing.T) {
	p := labtest.NewPeers(t, 3)
	for _, tt := range []struct {
		name     string
		from, to *lab.Host
		src, dst string
	}{
		{"node to node", p.Nodes[0], p.Nodes[2], "198.18.100.1", "198.18.100.3"},
		{"phone to its node", p.Phones[1], p.Nodes[1], "198.18.0.102", "198.18.0.2"},
		{"phone to another node", p.Phones[1], p.Nodes[0], "198.18.0.152", "198.18.0.1"},
		{"phone to phone", p.Phones[0], p.Phones[2], "198.18.0.101", "198.18.0.153"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			here := listen(t, tt.from, tt.src)
			there := listen(t, tt.to, tt.dst)
			ping(t, here, there)
			ping(t, there, here)
		})
	}
}

// CL-09
func TestDistantPeers(t *testing.T) {
	p, err := lab.NewDistantPeers("", 2, 20*time.Millisecond)
	if errors.Is(err, lab.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close() //nolint:errcheck // the namespaces go
	here, there := listen(t, p.Nodes[0], "198.18.100.1"), listen(t, p.Nodes[1], "198.18.100.2")
	ping(t, here, there) // neighbours are known then
	start := time.Now()
	ping(t, here, there)
	if took := time.Since(start); took < 40*time.Millisecond {
		t.Errorf("one way took %s: the nodes are not apart", took)
	}
	phone, node := listen(t, p.Phones[0], "198.18.0.101"), listen(t, p.Nodes[1], "198.18.0.2")
	ping(t, phone, node)
	start = time.Now()
	ping(t, phone, node)
	if took := time.Since(start); took > 40*time.Millisecond {
		t.Errorf("a phone is %s away from its node", took)
	}
}

func TestPeersAreBounded(t *testing.T) {
	for name, number := range map[string]int{"": 0, "x": 9, "No Name": 2} {
		if p, err := lab.NewPeers(name, number); err == nil {
			t.Errorf("a lab %q of %d was made", name, number)
			_ = p.Close()
		}
	}
}
