package debian

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"pault.ag/go/debian/dependency"
)

// Essential returns the names of the packages that every Debian system has,
// sorted.
func (a *Archive) Essential() []string {
	var names []string
	for name, list := range a.index {
		for _, p := range list {
			if p.Name == name && p.essential {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// Resolve returns the named packages and all that they depend on, sorted by
// name. Of alternatives it takes one that is chosen already, else the first
// that the archive has; of several providers the most important, then the
// first by name. The same archive and names always give the same packages.
func (a *Archive) Resolve(names ...string) ([]*Package, error) {
	r := resolver{index: a.index, chosen: map[string]*Package{}}
	for _, name := range names {
		pkg := a.index.real(name)
		if pkg == nil {
			return nil, fmt.Errorf("resolving packages: Debian %s has no package %q", a.arch, name)
		}
		r.choose(pkg)
	}
	for len(r.open) > 0 {
		pkg := r.open[0]
		r.open = r.open[1:]
		if err := r.dependencies(pkg); err != nil {
			return nil, fmt.Errorf("resolving packages: %w", err)
		}
	}

	all := make([]*Package, 0, len(r.chosen))
	for _, p := range r.chosen {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *Package) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

type resolver struct {
	index  index
	chosen map[string]*Package
	open   []*Package // chosen, dependencies not looked at yet
}

func (r *resolver) choose(p *Package) {
	if r.chosen[p.Name] == nil {
		r.chosen[p.Name] = p
		r.open = append(r.open, p)
	}
}

func (r *resolver) dependencies(pkg *Package) error {
	if pkg.depends == "" {
		return nil
	}
	deps, err := dependency.Parse(pkg.depends)
	if err != nil {
		return fmt.Errorf("reading what %s depends on: %w", pkg.Name, err)
	}
	for _, relation := range deps.Relations {
		p := r.satisfy(relation)
		if p == nil {
			return fmt.Errorf("%s depends on %s, which the archive does not have", pkg.Name, describe(relation))
		}
		r.choose(p)
	}
	return nil
}

// satisfy returns the package to take for a relation, or nil.
func (r *resolver) satisfy(relation dependency.Relation) *Package {
	var best *Package
	for _, alternative := range relation.Possibilities {
		for _, c := range r.candidates(alternative) {
			if r.chosen[c.Name] != nil {
				return c
			}
			if best == nil {
				best = c
			}
		}
	}
	return best
}

// candidates returns the packages that satisfy p, the best first.
func (r *resolver) candidates(p dependency.Possibility) []*Package {
	var found []*Package
	for _, c := range r.index[p.Name] {
		if p.Version == nil || c.Name == p.Name && p.Version.SatisfiedBy(c.version) {
			found = append(found, c)
		}
	}
	slices.SortFunc(found, func(a, b *Package) int {
		return cmp.Or(
			distance(a, p)-distance(b, p),
			cmp.Compare(a.priority, b.priority),
			strings.Compare(a.Name, b.Name))
	})
	return found
}

// distance is 0 for the package of the wanted name and 1 for one that provides it.
func distance(pkg *Package, wanted dependency.Possibility) int {
	if pkg.Name == wanted.Name {
		return 0
	}
	return 1
}

func describe(r dependency.Relation) string {
	var names []string
	for _, p := range r.Possibilities {
		if p.Version != nil {
			names = append(names, fmt.Sprintf("%s (%s %s)", p.Name, p.Version.Operator, p.Version.Number))
		} else {
			names = append(names, p.Name)
		}
	}
	return strings.Join(names, " | ")
}
