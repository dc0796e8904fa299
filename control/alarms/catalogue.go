package alarms

import (
	"slices"
	"time"
)

// Kind is what the catalogue says of a number.
type Kind struct {
	Number   int
	Severity Severity
	Title    string // as operators know it
	Text     string // what it means
	Remedy   string // what to do
	// DependsOn are numbers that explain this one: while one of them stands, it is
	// shown behind it.
	DependsOn []int
	// After is how long it has to be wrong until the alarm shows.
	After time.Duration
	// CuredByRestart: a start of the node lowers it; who finds it again raises it again.
	CuredByRestart bool
	// Proof is the test that causes and cures it, "package TestName"; empty: nothing
	// raises it, and either Issue is what it waits for or Never says why it stays so.
	Proof string
	Issue int
	Never string
}

// Catalogue returns every alarm there is, by number.
func Catalogue() []Kind {
	all := slices.Concat(systemKinds(), clusterKinds(), networkKinds(), capacityKinds(), keyKinds(), licenceKinds(), securityKinds(), configurationKinds())
	slices.SortFunc(all, func(a, b Kind) int { return a.Number - b.Number })
	return all
}

// Find returns what the catalogue says of a number.
func Find(number int) (Kind, bool) {
	all := Catalogue()
	i := slices.IndexFunc(all, func(k Kind) bool { return k.Number == number })
	if i < 0 {
		return Kind{}, false
	}
	return all[i], true
}
