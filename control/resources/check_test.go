package resources

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// causing is a pool that says why there is not enough.
type causing struct{}

var _ Pool = causing{}

func (causing) Offer(Offer) {}

func (c causing) Cause(Unmet) Cause { return NoMajority }

// BW-01, BW-05: what a call would get of a pipe that peers share is what is here, and what others have idle where it can come:
// not what a peer keeps that is not there, and nothing where no share grows.
func TestCheckOfShared(t *testing.T) {
	r := newResources(t, nodeOf(t, twoSites), Deps{})
	lend(r, map[string]uint32{"pipe L": 300})
	for name, tc := range map[string]struct {
		pool    Pool
		whole   InCluster
		kbps    uint32
		at      string
		cluster uint32
	}{
		"peers have some idle":      {&pool{}, InCluster{Shared: Shared{2000, 1200}}, 800, "", 800},
		"less than it asks for":     {&pool{}, InCluster{Shared: Shared{2000, 1600}}, 400, "pipe L", 400},
		"a lost peer keeps some":    {&pool{}, InCluster{Shared{2000, 1200}, 400}, 400, "pipe L", 400},
		"peers use more than it is": {&pool{}, InCluster{Shared: Shared{2000, 9000}}, 300, "pipe L", 300},
		"no share grows":            {causing{}, InCluster{Shared: Shared{2000, 0}}, 300, "pipe L", 300},
	} {
		t.Run(name, func(t *testing.T) {
			r.Share(tc.pool)
			r.Whole(map[string]InCluster{"pipe L": tc.whole})
			got, err := r.Check("Lisbon", "DefaultSubZone", 800, false)
			if err != nil {
				t.Fatal(err)
			}
			if got.Kbps != tc.kbps || got.At != tc.at || got.AtOnce != 300 {
				t.Errorf("%d kbit/s by %q, %d at once; want %d by %q", got.Kbps, got.At, got.AtOnce, tc.kbps, tc.at)
			}
			want := Left{Limited: true, Shared: true, Here: 300, Cluster: tc.cluster}
			if diff := cmp.Diff(want, got.Left[len(got.Left)-1]); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("nobody shares it", func(t *testing.T) {
		r := newResources(t, nodeOf(t, twoSites), Deps{})
		if got, _ := r.Check("Lisbon", "DefaultSubZone", 800, false); got.Kbps != 800 || got.AtOnce != 800 || got.Left[len(got.Left)-1].Shared {
			t.Errorf("%+v", got)
		}
	})
}
