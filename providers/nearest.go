package providers

import (
	"fmt"
	"slices"
	"strings"

	"github.com/credchain/credchain/internal/ini"
)

// missing says that the profile that was asked for is in neither file, with what may have been meant.
func (s *profileSource) missing(p *profile) error {
	f := &failure{what: fmt.Sprintf("profile %q, asked for by %s, is in neither %s nor %s",
		p.name, p.choice.origin(), p.credentialsFile.path, p.configFile.path)}
	names, hint := s.candidates(p)
	switch {
	case p.configFile.hidden || p.credentialsFile.hidden:
		f.remedy = p.searchRefused() + ": name a readable file in AWS_CONFIG_FILE or AWS_SHARED_CREDENTIALS_FILE"
	case hint != "":
		f.remedy = hint
	case len(names) > 0:
		f.remedy = "did you mean " + strings.Join(names, " or ") + "?"
	default:
		f.remedy = "see the names with `credchain configure list-profiles` or `aws configure list-profiles`"
	}
	return f
}

// candidates returns up to three names like p's, and a hint if the name is there under a wrong header.
func (s *profileSource) candidates(p *profile) (near []string, hint string) {
	type candidate struct {
		name     string
		distance int
	}
	var all []candidate
	seen := map[string]bool{}
	for _, f := range [...]struct {
		file, other sharedFile // people write in one file what belongs in the other
	}{
		{p.credentialsFile, p.configFile},
		{p.configFile, p.credentialsFile},
	} {
		for _, n := range s.sys.sectionNames(f.file) {
			if wrong := f.other.header(p.name); n.Kind == ini.Other && n.Name == wrong {
				hint = fmt.Sprintf("%s:%d has [%s], which must be written [%s] in this file",
					f.file.path, n.Line, wrong, f.file.header(p.name))
			}
			if n.Kind != ini.Profile || seen[n.Name] {
				continue
			}
			seen[n.Name] = true
			if d := distance(p.name, n.Name); d <= max(2, len(p.name)/3) {
				all = append(all, candidate{n.Name, d})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return a.distance - b.distance })
	for _, c := range all[:min(3, len(all))] {
		near = append(near, c.name)
	}
	return near, hint
}

// ProfileNames returns the names of the profiles in both shared files, sorted, each once. It is for lists and
// completion: a file that cannot be read, or whose place is not known, has none.
func ProfileNames(c Config) []string {
	l := newLinks(c)
	var names []string
	for _, f := range [...]struct {
		variable, name string
		style          ini.Style
	}{
		{"AWS_SHARED_CREDENTIALS_FILE", "credentials", ini.Credentials},
		{"AWS_CONFIG_FILE", "config", ini.Config},
	} {
		file, err := l.sys.sharedFile(f.variable, f.name, f.style)
		if err != nil {
			continue
		}
		for _, n := range l.sys.sectionNames(file) {
			if n.Kind == ini.Profile {
				names = append(names, n.Name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// sectionNames lists the sections of a file; an advice needs no error of its own.
func (s *System) sectionNames(f sharedFile) []ini.Name {
	r, err := s.open(f.path)
	if err != nil {
		return nil
	}
	defer r.Close()
	names, _ := ini.Names(r, f.path, f.style)
	return names
}

// distance is the number of letters to insert, delete or replace between a and b, case aside (Levenshtein).
func distance(a, b string) int {
	a, b = strings.ToLower(a), strings.ToLower(b)
	if len(a) > 64 || len(b) > 64 {
		return 64 // no typing error, and no work for a hostile file
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j]+1, row[j+1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
