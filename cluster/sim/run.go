package sim

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Trial is how a program is run.
type Trial struct {
	// Name is of the file of seeds in testdata.
	Name string
	// Sizes are of the clusters; Seeds, Steps: how many runs of each, and how long they are.
	Sizes        []int
	Seeds, Steps int
	// Long is how many steps the runs of make soak have; 0: as many as the others.
	Long int
	// First is the first seed; 0: 1.
	First uint64
	// Settle is how long a healed cluster may take to converge.
	Settle time.Duration
	// Calm ends a run as soon as the cluster has been as it should be for so long; 0: when Settle is over. make soak waits until
	// then in any case, and sees what falls apart later.
	Calm time.Duration
	New  func(*World) Program
	// Must are the rare things that have to happen in the runs together; Alone those that happen to a cluster of one too, Three
	// those that need a majority without somebody; Rare those that are asked of make soak only.
	Must, Alone, Three, Rare []string
}

// Variables of the environment that make runs longer: how many seeds of each size, the first, how many steps, and of one
// size only.
const (
	seedsVariable = "TURNPIKE_SIM_SEEDS"
	stepsVariable = "TURNPIKE_SIM_STEPS"
	sizeVariable  = "TURNPIKE_SIM_SIZE"
	firstVariable = "TURNPIKE_SIM_FIRST"
)

// catchSeeds is how many runs of each size a broken variant may survive.
const catchSeeds = 50

// Run runs the seeds that once failed and then new ones. One that fails is added to the file.
func (tr Trial) Run(t *testing.T) {
	t.Helper()
	tr = tr.asked()
	counts := map[string]int{}
	for _, k := range tr.kept(t) {
		again := tr
		if k.steps > 0 {
			again.Steps = k.steps
		}
		again.one(t, k.size, k.seed, counts)
	}
	for _, size := range tr.Sizes {
		for seed := tr.First; seed < tr.First+uint64(tr.Seeds); seed++ {
			if !tr.one(t, size, seed, counts) {
				tr.keep(t, size, seed)
				return
			}
		}
	}
	for _, what := range tr.must() {
		if counts[what] == 0 {
			t.Errorf("%q never happened in %d runs of each size: the runs are too tame", what, tr.Seeds)
		}
	}
	t.Logf("%d runs of %d steps for each size of %v: %v", tr.Seeds, tr.Steps, tr.Sizes, counts)
}

// asked is the trial that the environment asks for.
func (tr Trial) asked() Trial {
	tr.First = max(tr.First, 1)
	if n, err := strconv.Atoi(os.Getenv(seedsVariable)); err == nil {
		tr.Seeds, tr.Calm = n, 0
		tr.Steps = max(tr.Long, tr.Steps)
		tr.Must = slices.Concat(tr.Must, tr.Rare)
	}
	if n, err := strconv.ParseUint(os.Getenv(firstVariable), 10, 64); err == nil {
		tr.First = n
	}
	if n, err := strconv.Atoi(os.Getenv(stepsVariable)); err == nil {
		tr.Steps = n
	}
	if n, err := strconv.Atoi(os.Getenv(sizeVariable)); err == nil {
		tr.Sizes = []int{n}
	}
	return tr
}

// must are the names that can happen in clusters of these sizes.
func (tr Trial) must() []string {
	out := slices.Clone(tr.Alone)
	largest := slices.Max(tr.Sizes)
	if largest > 1 {
		out = append(out, tr.Must...)
	}
	if largest > 2 {
		out = append(out, tr.Three...)
	}
	return out
}

func (tr Trial) one(t *testing.T, size int, seed uint64, counts map[string]int) bool {
	t.Helper()
	w, err := tr.run(size, seed)
	for what, n := range w.Counts {
		counts[what] += n
	}
	if err != nil {
		t.Errorf("size %d, seed %d: %v\n%s", size, seed, err, strings.Join(w.Trace(), "\n"))
	}
	return err == nil
}

func (tr Trial) run(size int, seed uint64) (*World, error) {
	w := NewWorld(seed, size, tr.New)
	err := w.Run(tr.Steps)
	if err == nil {
		err = w.Settle(tr.Settle, tr.Calm)
	}
	return w, err
}

// Catch runs a broken variant until something does not hold, and fails if everything does.
func (tr Trial) Catch(t *testing.T) {
	t.Helper()
	for seed := max(tr.First, 1); seed < max(tr.First, 1)+catchSeeds; seed++ {
		for _, size := range tr.Sizes {
			if _, err := tr.run(size, seed); err != nil {
				t.Logf("caught with size %d, seed %d: %v", size, seed, err)
				return
			}
		}
	}
	t.Errorf("not caught in %d runs of each size of %v", catchSeeds, tr.Sizes)
}

type keptSeed struct {
	size  int
	seed  uint64
	steps int // 0: as many as the others
}

func (tr Trial) file() string { return filepath.Join("testdata", tr.Name+".seeds") }

// kept reads lines of "size seed steps" or "size seed", and what follows on a line is for people. A run of fewer steps is
// healed before what failed in it can happen.
func (tr Trial) kept(t *testing.T) []keptSeed {
	t.Helper()
	f, err := os.Open(tr.file())
	if err != nil {
		return nil
	}
	defer f.Close()
	var out []keptSeed
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var k keptSeed
		if n, _ := fmt.Sscan(lines.Text(), &k.size, &k.seed, &k.steps); n >= 2 {
			out = append(out, k)
		}
	}
	return out
}

func (tr Trial) keep(t *testing.T, size int, seed uint64) {
	t.Helper()
	if err := os.MkdirAll("testdata", 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(tr.file(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fmt.Fprintf(f, "%d %d %d\n", size, seed, tr.Steps)
	t.Logf("kept in %s: commit it with what mends it", tr.file())
}
