package ini

// wanted collects the sections that Read was asked for.
type wanted struct {
	slots []slot
	index map[Ref]int // only for long lists
}

// slot is one wanted section. The two are kept apart because
// [profile default] replaces [default] and may come first.
type slot struct {
	ref     Ref
	section *Section
	bare    *Section // from [default]
}

// shortList is how many refs are searched one by one.
const shortList = 8

func newWanted(refs []Ref) *wanted {
	w := &wanted{slots: make([]slot, 0, len(refs))}
	if len(refs) > shortList {
		w.index = make(map[Ref]int, len(refs))
	}
	for _, ref := range refs {
		if w.find(ref.Kind, []byte(ref.Name)) != nil {
			continue
		}
		if w.index != nil {
			w.index[ref] = len(w.slots)
		}
		w.slots = append(w.slots, slot{ref: ref})
	}
	return w
}

func (w *wanted) find(kind Kind, name []byte) *slot {
	if w.index != nil {
		if i, ok := w.index[Ref{kind, string(name)}]; ok {
			return &w.slots[i]
		}
		return nil
	}
	for i := range w.slots {
		if s := &w.slots[i]; s.ref.Kind == kind && s.ref.Name == string(name) {
			return s
		}
	}
	return nil
}

// place returns the section that the header begins. That of a malformed header
// gets the error and none of the lines below it.
func (w *wanted) place(p *parser, h header) *Section {
	s := w.find(h.kind, h.name)
	if s == nil || len(h.name) == 0 {
		return nil
	}
	at := &s.section
	if h.bare {
		at = &s.bare
	}
	if *at == nil {
		*at = &Section{Ref: s.ref, Line: p.lastLine()}
	}
	if h.fault == none {
		return *at
	}
	if (*at).Err == nil {
		(*at).Err = p.newError(h.fault)
	}
	return nil
}

// found returns the sections that are there, in the order asked.
func (w *wanted) found() []*Section {
	var out []*Section
	for _, slot := range w.slots {
		s := slot.section
		if s == nil {
			s = slot.bare
		}
		if s == nil {
			continue
		}
		s.Keys = lastWins(s.Keys)
		for i := range s.Keys {
			s.Keys[i].Sub = lastWins(s.Keys[i].Sub)
		}
		out = append(out, s)
	}
	return out
}
