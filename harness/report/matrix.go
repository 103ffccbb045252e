package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"al.essio.dev/pkg/shellescape"
	rbacv1 "k8s.io/api/rbac/v1"

	"rolecall/harness/check"
)

// Bounds of a matrix.
const (
	maxThings = 250 // resources and URLs
	maxVerbs  = 16  // columns
	maxGrants = 60
	maxTold   = 12 // lines on one row
)

// matrixView is an account's access to a namespace, verb × resource, before and
// after a learner's objects were stored.
type matrixView struct {
	ID, Subject, Namespace string
	Limit                  string // the role that was asked for
	Verbs                  []string
	Parts                  []partView
	Sum                    []countView
	Cut                    string // what is not shown
}

// countView is one sentence of the sum, with its state.
type countView struct {
	State state
	Text  string
}

// partView are the rows whose most telling cell is in one state.
type partView struct {
	State state
	Title string
	Rows  []rowView
}

// rowView are the resources of one API group with the same access.
type rowView struct {
	Group  string
	Things []string
	Cells  []cellView
	Grants []grantView
	Asks   []askView
}

type cellView struct {
	State state
	Mark  string
}

// says are the states in words, for whoever does not see the marks.
var says = map[state]string{beyond: "new, beyond", missing: "missing", added: "new, within", kept: "as before", never: "no"}

// Says is the cell in words.
func (c cellView) Says() string { return says[c.State] }

// grantView is what gives some verbs of a row, or all that are marked.
type grantView struct{ Verbs, Binding, Role string }

// askView is a command that says the same, and its answer.
type askView struct{ Command, Answer string }

// state is what became of one permission.
type state string

// The states, the most telling first.
const (
	beyond  state = "beyond"  // new, and more than was asked for
	missing state = "missing" // asked for, and not given
	added   state = "added"   // new, and asked for
	kept    state = "kept"    // there before, and still
	never   state = "never"   // not allowed
)

var states = []state{beyond, missing, added, kept, never}

// marks tell the states apart without colour.
var marks = map[state]string{beyond: "✗", missing: "○", added: "✓", kept: "•", never: ""}

// thing is what a permission is about: a resource, one object of it, or a URL.
type thing struct{ group, resource, name, url string }

// matrixOf is an access as a matrix under an id of the page.
func matrixOf(a check.Access, id string) matrixView {
	m := matrixView{
		ID: id, Subject: OneLine(a.Subject, 200), Namespace: OneLine(a.Namespace, 100),
		Limit: OneLine(cmp.Or(a.Limit.Role, "what was asked for"), 200),
	}
	things, leftThings := thingsOf(a)
	verbs, leftVerbs := verbsOf(a)
	m.Verbs, m.Cut = verbs, cut(a, leftThings, leftVerbs)

	parts := map[state]*partView{}
	for _, s := range states {
		parts[s] = &partView{State: s, Title: m.title(s)}
	}
	total := counts{of: map[state]int{}}
	for _, on := range things {
		row, worst := rowOf(a, on, verbs, &total)
		if worst != never {
			parts[worst].add(row)
		}
	}
	for _, s := range states {
		if len(parts[s].Rows) > 0 {
			m.Parts = append(m.Parts, *parts[s])
		}
	}
	m.Sum = m.sum(total)
	return m
}

// add adds a row, or its resource to the row that it does not differ from.
func (p *partView) add(row rowView) {
	for i := range p.Rows {
		if p.Rows[i].like(row) {
			p.Rows[i].Things = append(p.Rows[i].Things, row.Things...)
			return
		}
	}
	p.Rows = append(p.Rows, row)
}

func (r rowView) like(other rowView) bool {
	return r.Group == other.Group && slices.Equal(r.Cells, other.Cells) && slices.Equal(r.Grants, other.Grants)
}

func (m matrixView) title(s state) string {
	return map[state]string{
		beyond:  "Beyond " + m.Limit,
		missing: "Missing from " + m.Limit,
		added:   "New, and within " + m.Limit,
		kept:    "Allowed before, and still",
	}[s]
}

// sum are the sentences over the matrix, the one that matters most first. Where
// something is left out, nothing is said of all.
func (m matrixView) sum(total counts) (sum []countView) {
	if n := total.of[beyond]; n > 0 {
		text := plural(n, "permission") + " beyond " + m.Limit
		if m.Cut != "" {
			text = "At least " + text
		}
		if total.all {
			text += ", and by an asterisk all that is not listed"
		}
		sum = append(sum, countView{beyond, text})
	}
	n := total.of[missing]
	all, some := fmt.Sprintf("All %d permissions of %s are", total.asked, m.Limit), fmt.Sprintf("%d of the %d permissions of %s are", n, total.asked, m.Limit)
	if total.asked == 1 {
		all = "The 1 permission of " + m.Limit + " is"
		some = all
	}
	switch {
	case m.Cut != "":
	case n > 0:
		sum = append(sum, countView{missing, some + " missing"})
	case total.of[beyond] > 0:
		sum = append(sum, countView{added, "All of " + m.Limit + " is allowed, too"})
	default:
		sum = append(sum, countView{added, all + " allowed, and nothing beyond it"})
	}
	return sum
}

// counts are how many cells are in each state, and how many were asked for.
type counts struct {
	of    map[state]int
	asked int
	all   bool // by an asterisk beyond what was asked for
}

// rowOf is the row of one thing and the most telling state in it. Its commands
// are about this thing.
func rowOf(a check.Access, on thing, verbs []string, total *counts) (row rowView, worst state) {
	rule, worst := on.rule(), never
	before, after, asked := verbsIn(a.Before, rule), verbsIn(a.After, rule), a.Limit.Verbs(rule)
	whole := verbsIn(a.After, thing{group: on.group, resource: on.resource, url: on.url}.rule())
	row = rowView{Group: on.place(), Things: []string{on.String()}}
	var changed []string
	for _, verb := range verbs {
		s := never
		was, is, want := has(before, verb), has(after, verb), has(asked, verb)
		switch {
		case on.name != "" && has(whole, verb): // the row of the whole resource says so
		case is && was:
			s = kept
		case is && want:
			s = added
		case is:
			s = beyond
		case want && !partial(a.After):
			s = missing
		}
		total.of[s]++
		total.all = total.all || s == beyond && (verb == rbacv1.VerbAll || on.all())
		if want && s != never {
			total.asked++
		}
		if slices.Index(states, s) < slices.Index(states, worst) {
			worst = s
		}
		row.Cells = append(row.Cells, cellView{s, marks[s]})
		if s == added || s == beyond || s == missing {
			changed = append(changed, verb)
			row.Asks = append(row.Asks, askView{on.canI(verb, a), map[bool]string{true: "yes", false: "no"}[is]})
		}
	}
	row.Asks = first(row.Asks, maxTold)
	if row.Group == gone {
		row.Asks = nil
	}
	for _, g := range first(a.After, maxGrants) {
		given := g.Verbs(rule)
		gives := slices.DeleteFunc(slices.Clone(verbs), func(verb string) bool {
			return !has(given, verb) || len(changed) > 0 && !slices.Contains(changed, verb)
		})
		if len(gives) == 0 || len(row.Grants) == maxTold {
			continue
		}
		part := strings.Join(gives, ", ")
		if len(gives) == len(changed) {
			part = "" // all that is marked
		}
		row.Grants = append(row.Grants, grantView{part, OneLine(g.Binding, 200), OneLine(g.Role, 200)})
	}
	return row, worst
}

// gone is a group that roles still name and no API server has served since
// Kubernetes 1.22, so that kubectl cannot ask about it.
const gone = "extensions"

// partial reports whether rules of grants were left out, so that what they do not
// allow is not known.
func partial(grants []check.Grant) bool {
	return len(grants) > maxGrants || slices.ContainsFunc(grants, func(g check.Grant) bool { return g.Cut > 0 })
}

// verbsIn are what grants allow on what a rule names.
func verbsIn(grants []check.Grant, rule rbacv1.PolicyRule) (verbs []string) {
	for _, g := range first(grants, maxGrants) {
		verbs = append(verbs, g.Verbs(rule)...)
	}
	return verbs
}

// has reports whether a verb is among those that are allowed.
func has(verbs []string, verb string) bool {
	return slices.Contains(verbs, verb) || slices.Contains(verbs, rbacv1.VerbAll)
}

// rule is one that names the thing.
func (t thing) rule() rbacv1.PolicyRule {
	if t.url != "" {
		return rbacv1.PolicyRule{NonResourceURLs: []string{t.url}}
	}
	rule := rbacv1.PolicyRule{APIGroups: []string{t.group}, Resources: []string{t.resource}}
	if t.name != "" {
		rule.ResourceNames = []string{t.name}
	}
	return rule
}

// all reports whether the thing is more than one, by an asterisk.
func (t thing) all() bool { return t.group == rbacv1.APIGroupAll || t.resource == rbacv1.ResourceAll }

func (t thing) String() string {
	switch {
	case t.url != "":
		return OneLine(t.url, 120)
	case t.name != "":
		return OneLine(t.resource, 120) + " " + OneLine(t.name, 120)
	}
	return OneLine(t.resource, 120)
}

// place is the API group of the thing.
func (t thing) place() string {
	switch {
	case t.url != "":
		return "URLs"
	case t.group == "":
		return "core"
	case t.group == rbacv1.APIGroupAll:
		return "all groups"
	}
	return OneLine(t.group, 100)
}

// canI is the command that asks the API server for one cell.
func (t thing) canI(verb string, a check.Access) string {
	resource, sub, _ := strings.Cut(t.resource, "/")
	words := []string{"kubectl", "auth", "can-i", verb, resource}
	switch {
	case t.url != "":
		words[4] = t.url
	case t.group != "" && t.group != rbacv1.APIGroupAll:
		words[4] += "." + t.group
	}
	if t.name != "" {
		words[4] += "/" + t.name
	}
	if sub != "" {
		words = append(words, "--subresource", sub)
	}
	if t.url == "" {
		words = append(words, "--namespace", a.Namespace)
	}
	words = append(words, "--as", a.Subject)
	for i, word := range words {
		words[i] = OneLine(word, 200)
	}
	return shellescape.QuoteCommand(words)
}

// cut says what the matrix does not show.
func cut(a check.Access, things, verbs int) string {
	rules := a.Limit.Cut
	for _, g := range slices.Concat(a.Before, a.After) {
		rules += g.Cut
	}
	var parts []string
	for _, left := range []struct {
		n    int
		what string
	}{{rules, "rule"}, {things, "resource"}, {verbs, "verb"}} {
		if left.n > 0 {
			parts = append(parts, plural(left.n, left.what))
		}
	}
	return strings.Join(parts, ", ")
}

// rules of all parts of an access, in one order.
func rules(a check.Access) (all []rbacv1.PolicyRule) {
	for _, g := range slices.Concat([]check.Grant{a.Limit}, a.After, a.Before) {
		all = append(all, g.Rules...)
	}
	return all
}

// thingsOf are the rows: what any rule names, an asterisk as one of its own.
func thingsOf(a check.Access) (things []thing, left int) {
	seen := map[thing]bool{}
	add := func(on thing) {
		switch {
		case seen[on]:
		case len(seen) == maxThings:
			left++
		default:
			seen[on] = true
			things = append(things, on)
		}
	}
	for _, rule := range rules(a) {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, name := range rule.ResourceNames {
					add(thing{group: group, resource: resource, name: name})
				}
				if len(rule.ResourceNames) == 0 {
					add(thing{group: group, resource: resource})
				}
			}
		}
		for _, url := range rule.NonResourceURLs {
			add(thing{url: url})
		}
	}
	slices.SortFunc(things, func(a, b thing) int {
		switch all, others := a.all(), b.all(); {
		case all && !others:
			return -1
		case others && !all:
			return 1
		}
		return cmp.Or(strings.Compare(a.url, b.url), strings.Compare(a.group, b.group), strings.Compare(a.resource, b.resource), strings.Compare(a.name, b.name))
	})
	return things, left
}

// usual are Kubernetes' own verbs, which a matrix always has.
var usual = []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"}

// verbsOf are the columns: the usual ones, others, and an asterisk last.
func verbsOf(a check.Access) (verbs []string, left int) {
	others := map[string]bool{}
	for _, rule := range rules(a) {
		for _, verb := range rule.Verbs {
			if !slices.Contains(usual, verb) {
				others[verb] = true
			}
		}
	}
	all := others[rbacv1.VerbAll]
	delete(others, rbacv1.VerbAll)
	verbs = slices.Clone(usual)
	for _, verb := range sorted(others) {
		if len(verbs) == maxVerbs {
			left++
			continue
		}
		verbs = append(verbs, verb)
	}
	if all {
		verbs = append(verbs, rbacv1.VerbAll)
	}
	return verbs, left
}

func sorted(set map[string]bool) []string {
	var all []string
	for word := range set {
		all = append(all, word)
	}
	slices.Sort(all)
	return all
}
