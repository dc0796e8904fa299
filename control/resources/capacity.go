package resources

// Capacity is how full the platform is with calls, in units of which one with video takes
// most: what neighbours are told, so that they send calls where most is left (RG-06).
func (r *Resources) Capacity() Level { return levelOf(r.limits.calls) }
