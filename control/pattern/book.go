package pattern

// Book compiles patterns and keeps them, so that a list of thousands in which one has
// changed costs one. A nil Book compiles and keeps nothing.
type Book struct {
	old, now map[key]Pattern
}

type key struct {
	typ  Type
	text string
}

// NewBook returns a book that takes over what is in an older one, if it is asked for
// again. The older one may be nil; it stays as it is.
func NewBook(old *Book) *Book {
	b := &Book{now: map[key]Pattern{}}
	if old != nil {
		b.old = old.now
	}
	return b
}

// Compile is the function Compile, remembered.
func (b *Book) Compile(typ Type, text string) (Pattern, error) {
	if b == nil || typ != Regex { // the others cost nothing
		return Compile(typ, text)
	}
	k := key{typ, text}
	if p, ok := b.now[k]; ok {
		return p, nil
	}
	p, ok := b.old[k]
	if !ok {
		var err error
		if p, err = Compile(typ, text); err != nil {
			return p, err
		}
	}
	b.now[k] = p
	return p, nil
}
