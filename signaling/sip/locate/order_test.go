package locate

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func targets(records []record) (out []string) {
	for _, r := range records {
		out = append(out, r.target)
	}
	return out
}

func TestOrder(t *testing.T) {
	records := []record{{20, 0, 1, "later"}, {10, 60, 1, "heavy"}, {10, 0, 1, "last"}, {10, 40, 1, "light"}}
	tests := []struct {
		name string
		lots []int
		want []string
	}{
		{"the lowest lot is weight 0's", []int{0, 0, 0, 0}, []string{"last", "heavy", "light", "later"}},
		{"a lot in the first weight", []int{1, 1, 0, 0}, []string{"heavy", "light", "last", "later"}},
		{"a lot in the second", []int{61, 1, 0, 0}, []string{"light", "heavy", "last", "later"}},
		{"the highest lot", []int{100, 60, 0, 0}, []string{"light", "heavy", "last", "later"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			i := -1
			got := order(records, func(int) int { i++; return test.lots[i] })
			if diff := cmp.Diff(test.want, targets(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestOrderFollowsWeights(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	records := []record{{1, 90, 1, "heavy"}, {1, 10, 1, "light"}}
	heavy := 0
	for range 10000 {
		if order(records, random.IntN)[0].target == "heavy" {
			heavy++
		}
	}
	if heavy < 8800 || heavy > 9200 {
		t.Errorf("90 %% of the weight came first in %d of 10000", heavy)
	}
}

// Whatever the records are, all of them come out, and no priority before a lower one.
func TestOrderKeepsEveryRecord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		records := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) record {
			return record{uint16(rapid.IntRange(0, 3).Draw(t, "priority")), rapid.Uint16().Draw(t, "weight"), 5060, "t"}
		}), 0, 20).Draw(t, "records")
		count := map[record]int{}
		for _, r := range records {
			count[r]++
		}
		got := order(records, rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)).IntN)
		for i, r := range got {
			count[r]--
			if i > 0 && got[i-1].priority > r.priority {
				t.Fatalf("priority %d before %d", got[i-1].priority, r.priority)
			}
		}
		for r, n := range count {
			if n != 0 {
				t.Fatalf("%v came %d times too few", r, n)
			}
		}
	})
}
