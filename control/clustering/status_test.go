package clustering

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// three is a cluster in which nothing is missing.
func three() Status {
	return Status{
		Mode: Clustered, Primary: 1, Acting: 1, Own: 2,
		Peers: []Peer{
			{Index: 1, Address: "198.18.0.1", State: "Active as tp1", Digest: "d", Joined: true, Incarnation: 10, Primary: true},
			{Index: 2, Address: "198.18.0.2", State: ThisSystem, Digest: "d", Joined: true, Incarnation: 20},
			{Index: 3, Address: "198.18.0.3", State: "Active as tp3", Digest: "d", Joined: true, Incarnation: 30},
		},
	}
}

func TestBrief(t *testing.T) {
	st := three()
	st.Name, st.Database = "c1.example.test", DatabaseActive
	st.Peers[2].State = Failed
	if got, want := st.Brief(), "c1.example.test: 2 of 3 peers active, primary 1 (198.18.0.1), database Active"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := (Status{Mode: Standalone}).Brief(); got != "" {
		t.Errorf("a standalone node says %q", got)
	}
}

func TestSettled(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(*Status)
		want  []string
	}{
		{"all there", func(*Status) {}, nil},
		{"standalone", func(s *Status) { s.Mode = Standalone }, []string{"this node runs standalone"}},
		{"not in its list", func(s *Status) { s.Peers[1].State = Unknown }, []string{"this node is not in its own list of peers"}},
		{"one is gone", func(s *Status) { s.Peers[2].State, s.Peers[2].Why = Failed, "connection refused" }, []string{"198.18.0.3 is Failed: connection refused"}},
		{"one has not joined", func(s *Status) { s.Peers[2].Joined = false }, []string{"198.18.0.3 has not joined yet"}},
		{"one is behind", func(s *Status) { s.Peers[0].Digest = "c" }, []string{"198.18.0.1 has another configuration"}},
		{"nobody has one", func(s *Status) {
			for i := range s.Peers {
				s.Peers[i].Digest = ""
			}
		}, []string{"198.18.0.1 has another configuration", "198.18.0.2 has another configuration", "198.18.0.3 has another configuration"}},
		{"no primary", func(s *Status) { s.Acting = 0 }, []string{"no peer acts as the primary"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := three()
			test.spoil(&s)
			ok, why := s.Settled()
			if diff := cmp.Diff(test.want, why); diff != "" || ok != (len(test.want) == 0) {
				t.Error(ok, diff)
			}
		})
	}
}
