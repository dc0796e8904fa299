package clustering

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// CL-20
func TestRestartBeginsWithThePrimary(t *testing.T) {
	st := three()
	st.Acting, st.Primary = 3, 3
	r, err := NewRestart(st)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{3, 1, 2}, r.Order()); diff != "" {
		t.Error(diff)
	}
}

// CL-20: it goes on only when the peer runs anew and everybody has the same configuration again.
func TestRestartWaits(t *testing.T) {
	tests := []struct {
		name string
		now  func(*Status)
		want []string
	}{
		{"not gone yet", func(*Status) {}, []string{"198.18.0.1 has not restarted yet"}},
		{"gone", func(s *Status) { s.Peers[0].State = Failed }, []string{"198.18.0.1 has not restarted yet"}},
		{"back, and not in step", func(s *Status) { s.Peers[0].Incarnation++; s.Peers[0].Digest = "other" }, []string{"198.18.0.1 has another configuration"}},
		{"back, and does not act", func(s *Status) { s.Peers[0].Incarnation++; s.Acting = 0 }, []string{"no peer acts as the primary"}},
		{"back, another went", func(s *Status) { s.Peers[0].Incarnation++; s.Peers[2].State = Failed }, []string{"198.18.0.3 is Failed"}},
		{"back", func(s *Status) { s.Peers[0].Incarnation++ }, nil},
		{"another list", func(s *Status) { s.Peers[0].Address = "198.18.0.9" }, []string{"the list of peers was changed meanwhile"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r, err := NewRestart(three())
			if err != nil {
				t.Fatal(err)
			}
			st := three()
			test.now(&st)
			ok, why := r.Back(st, 1)
			if diff := cmp.Diff(test.want, why); diff != "" || ok != (test.want == nil) {
				t.Error(ok, diff)
			}
		})
	}
}

func TestRestartDoesNotBeginHalf(t *testing.T) {
	st := three()
	st.Peers[1].State, st.Peers[2].State = ThisSystem, Failed
	if _, err := NewRestart(st); !errors.Is(err, ErrStep) {
		t.Errorf("error %v, want ErrStep", err)
	}
}
