package admission

// GiveBack gives back what may not be in use.
func GiveBack(a []Amount) { giveAll(a) }
