package lab_test

import (
	"testing"

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

func TestPeersAreBounded(t *testing.T) {
	for name, number := range map[string]int{"": 0, "x": 9, "No Name": 2} {
		if p, err := lab.NewPeers(name, number); err == nil {
			t.Errorf("a lab %q of %d was made", name, number)
			_ = p.Close()
		}
	}
}
