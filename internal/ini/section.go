package ini

import "bytes"

// text takes a line of the section being filled that is no header.
func (p *parser) text(indent int, deeper bool) {
	line, fits := p.rest()
	switch {
	case fits && len(line) == 0: // "\r\n" is a blank line
	case deeper:
		p.continueKey(line, fits)
	default:
		p.endKey()
		p.hasKey, p.keyIndent = true, indent
		key, fault := parseKey(line, fits, true)
		if fault != none {
			p.fail(fault)
			return
		}
		key.Line = p.lastLine()
		p.cur.Keys = append(p.cur.Keys, key)
		p.key = &p.cur.Keys[len(p.cur.Keys)-1]
		p.nested = key.Value == ""
	}
}

// continueKey takes a line that is deeper than the current key. What continues
// a malformed key goes with it.
func (p *parser) continueKey(line []byte, fits bool) {
	switch {
	case p.key == nil:
	case p.nested:
		sub, fault := parseKey(line, fits, false)
		if fault != none {
			p.fail(fault)
			return
		}
		sub.Line = p.lastLine()
		p.key.Sub = append(p.key.Sub, sub)
	case !fits:
		p.fail(lineTooLong)
	default:
		if len(p.value) == 0 {
			p.value = append(p.value, p.key.Value...)
		}
		if len(p.value)+1+len(line) > p.limits.line {
			p.fail(valueTooLong)
			return
		}
		p.value = append(p.value, '\n')
		p.value = append(p.value, line...)
	}
}

// endKey puts the continued value together.
func (p *parser) endKey() {
	if len(p.value) > 0 {
		p.key.Value = string(p.value)
		p.value = p.value[:0]
	}
	p.key = nil
}

// fail reports the line read last.
func (p *parser) fail(f fault) {
	if p.cur.Err == nil {
		p.cur.Err = p.newError(f)
	}
}

// parseKey splits "name = value". fault is what is wrong with it, if anything.
func parseKey(line []byte, fits, comments bool) (key Key, fault fault) {
	eq := bytes.IndexByte(line, '=')
	switch {
	case !fits:
		return Key{}, lineTooLong
	case eq < 0:
		return Key{}, noEquals
	case eq == 0:
		return Key{}, noKey
	}
	if comments {
		line = cutComment(line, eq)
	}
	value := trim(line[eq+1:])
	// One string holds both, which halves the allocations.
	both := string(line[:eq]) + string(value)
	return Key{Name: lower(both[:len(trim(line[:eq]))]), Value: both[eq:]}, none
}

// lower makes ASCII letters lower-case and leaves every other byte alone.
func lower(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if 'A' <= b[i] && b[i] <= 'Z' {
					b[i] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}

// lastWins drops every key that is given again further down.
func lastWins(keys []Key) []Key {
	if len(keys) < 2 {
		return keys
	}
	var last map[string]int
	if len(keys) > 32 {
		last = make(map[string]int, len(keys))
		for i, k := range keys {
			last[k.Name] = i
		}
	}
	again := func(i int) bool {
		if last != nil {
			return last[keys[i].Name] > i
		}
		for _, k := range keys[i+1:] {
			if k.Name == keys[i].Name {
				return true
			}
		}
		return false
	}
	kept := keys[:0]
	for i := range keys {
		if !again(i) {
			kept = append(kept, keys[i])
		}
	}
	return kept
}
