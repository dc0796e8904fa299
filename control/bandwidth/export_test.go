package bandwidth

// Forget makes the next plan a new one.
func (m *Map) Forget() { m.plans.Clear() }
