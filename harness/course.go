package harness

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"rolecall/harness/check"
	"rolecall/harness/cluster"
)

// Course is all that the engine knows of what is taught. Nothing in it changes
// from run to run.
type Course struct {
	Name    string        // a word; the command of that name runs the default part
	Title   string        // for people
	Labs    []Lab         // in order, with ascending numbers
	Story   *Lab          // over all labs of the default part; may be nil
	Tour    *Lab          // what a newcomer is shown, a screen a check (Screens); may be nil
	Parts   []Part        // the first is the default; none means one part of all labs
	Scene   cluster.Scene // what labs find in a cluster
	Program check.Module  // for learners' Go programs
	Files   fs.FS         // a folder a lab (Course.Dir), with README.md, hints.md, starter/ and solution/
	Path    string        // of Files in the repository, from its root

	// Before returns an error where a lab cannot start: what must hold of the
	// cluster does not. Leftovers of an earlier run are gone by then.
	Before func(context.Context, *check.Env) error
}

// Part is some labs of a course that are taken and graded together.
type Part struct {
	Name        string
	First, Last int // lab numbers
}

// Lab is one lesson. Its checks run from top to bottom and share what Setup
// kept.
type Lab struct {
	Number  int    // from 1; 0 is the story over several labs
	Slug    string // "pod"; first part of its checks' ids
	Title   string
	Files   []check.File                            // what a learner hands in
	Objects []schema.GroupVersionKind               // kinds that its manifests may hold
	Makes   []schema.GroupVersionKind               // further kinds of object that its checks create
	Setup   func(context.Context, *check.Env) error // optional; an error is ours
	Checks  []Check
}

// Check is one sentence that holds or does not.
type Check struct {
	ID     string   // stable: courses grade against it
	Desc   string   // the sentence, as the learner reads it
	Points int      // what it is worth
	Needs  []string // ids of checks that run before it and that it builds on
	// Run returns nil where the sentence holds, a *check.Failure where it
	// does not, and any other error where we could not tell. What it keeps
	// (check.Env.Keep) is there for the checks that need this one.
	Run func(context.Context, *check.Env) error
}

// Folder is the lab's folder in a submission.
func (l Lab) Folder() string { return fmt.Sprintf("lab-%d", l.Number) }

// Heading is the lab's number, if it has one, and its title.
func (l Lab) Heading() string { return heading(l.Number, l.Title) }

func heading(number int, title string) string {
	if number == 0 {
		return title
	}
	return fmt.Sprintf("Lab %d: %s", number, title)
}

// Points is what the lab is worth.
func (l Lab) Points() (points int) {
	for _, c := range l.Checks {
		points += c.Points
	}
	return points
}

// Dir is the lab's folder in Course.Files.
func (c Course) Dir(l Lab) string {
	if l.Number == 0 {
		return c.Name
	}
	return l.Folder() + "-" + l.Slug
}

// Source is the lab's folder in the repository, from its root.
func (c Course) Source(l Lab) string { return path.Join(c.Path, c.Dir(l)) }

// Lab returns the lab of that number.
func (c Course) Lab(number int) (Lab, error) { return c.Named(strconv.Itoa(number)) }

// Named returns the lab whose number is that word, or whose folder.
func (c Course) Named(word string) (Lab, error) {
	for _, lab := range c.Labs {
		if strconv.Itoa(lab.Number) == word || lab.Folder() == word {
			return lab, nil
		}
	}
	return Lab{}, fmt.Errorf("unknown lab %q: the course has labs %s", word, c.numbers(c.Labs))
}

// Way is the labs in the order in which they are taken: the story comes after
// the last lab that it is about.
func (c Course) Way() (way []Lab) {
	for _, lab := range c.Labs {
		way = append(way, lab)
		if c.Story != nil && lab.Number == c.Default().Last {
			way = append(way, *c.Story)
		}
	}
	return way
}

// Word is what a command calls the lab: its folder in a submission, or the
// course's name for the story.
func (c Course) Word(lab Lab) string {
	if lab.Number == 0 {
		return c.Name
	}
	return lab.Folder()
}

// Default is the part that is meant where none is named.
func (c Course) Default() Part {
	if len(c.Parts) > 0 {
		return c.Parts[0]
	}
	return Part{Name: c.Name, First: c.Labs[0].Number, Last: c.Labs[len(c.Labs)-1].Number}
}

// Select returns the labs that words name: "" for the default part, "all", the
// name of a part, or numbers and ranges, as in "1-3,5". They come in the order of
// the Way; the story is among them where all labs that it is about are.
func (c Course) Select(words string) ([]Lab, error) {
	chosen := map[int]bool{}
	take := func(first, last int) error {
		found := false
		for _, lab := range c.Labs {
			if first <= lab.Number && lab.Number <= last {
				chosen[lab.Number], found = true, true
			}
		}
		if !found || last > c.Labs[len(c.Labs)-1].Number {
			return fmt.Errorf("choosing labs: LABS=%s names a lab that the course does not have: it has labs %s", words, c.numbers(c.Labs))
		}
		return nil
	}
	for word := range strings.SplitSeq(words, ",") {
		first, last, err := c.span(strings.TrimSpace(word))
		if err == nil {
			err = take(first, last)
		}
		if err != nil {
			return nil, err
		}
	}
	story := true
	for _, lab := range c.Labs {
		d := c.Default()
		story = story && (chosen[lab.Number] || lab.Number < d.First || lab.Number > d.Last)
	}
	return slices.DeleteFunc(c.Way(), func(lab Lab) bool { return !chosen[lab.Number] && (lab.Number > 0 || !story) }), nil
}

// span reads one word of Select.
func (c Course) span(word string) (first, last int, err error) {
	switch d := c.Default(); word {
	case "":
		return d.First, d.Last, nil
	case "all":
		return c.Labs[0].Number, c.Labs[len(c.Labs)-1].Number, nil
	}
	for _, part := range c.Parts {
		if part.Name == word { // its last labs may not be there yet
			return part.First, min(part.Last, c.Labs[len(c.Labs)-1].Number), nil
		}
	}
	from, to, isRange := strings.Cut(strings.TrimPrefix(word, "lab-"), "-")
	if first, err = strconv.Atoi(from); err == nil {
		last = first
		if isRange {
			last, err = strconv.Atoi(to)
		}
	}
	if err != nil || first > last {
		return 0, 0, fmt.Errorf("choosing labs: LABS=%q is not a lab, a range such as 1-3, or all", word)
	}
	return first, last, nil
}

// numbers are the labs' numbers for a message.
func (c Course) numbers(labs []Lab) string {
	if len(labs) > 2 && labs[len(labs)-1].Number-labs[0].Number == len(labs)-1 {
		return fmt.Sprintf("%d to %d", labs[0].Number, labs[len(labs)-1].Number)
	}
	var words []string
	for _, lab := range labs {
		words = append(words, strconv.Itoa(lab.Number))
	}
	return strings.Join(words, ", ")
}

// Kinds are the kinds of object that the course's labs leave in a cluster
// while they run.
func (c Course) Kinds() (kinds []schema.GroupVersionKind) {
	for _, lab := range c.Labs {
		for _, kind := range lab.Kinds() {
			if !slices.Contains(kinds, kind) {
				kinds = append(kinds, kind)
			}
		}
	}
	return kinds
}

// Kinds are the kinds of object that the lab leaves in a cluster while it runs.
func (l Lab) Kinds() []schema.GroupVersionKind {
	callers := schema.GroupVersionKind{Version: "v1", Kind: "Pod"}
	return slices.Concat([]schema.GroupVersionKind{callers}, l.Objects, l.Makes)
}

// Validate returns what is wrong with the course itself.
func (c Course) Validate() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(c.Labs) == 0 {
		return errors.New("the course has no labs")
	}
	known := map[string]bool{}
	check := func(lab Lab, before map[string]bool) {
		for _, check := range lab.Checks {
			if known[check.ID] || !strings.HasPrefix(check.ID, lab.Slug+".") {
				wrong("check %s of %s: an id is unique and starts with the lab's slug", check.ID, lab.Slug)
			}
			for _, need := range check.Needs {
				if !before[need] {
					wrong("check %s needs %s, which does not run before it", check.ID, need)
				}
			}
			known[check.ID], before[check.ID] = true, true
		}
	}
	for i, lab := range c.Labs {
		if lab.Number < 1 || i > 0 && lab.Number <= c.Labs[i-1].Number {
			wrong("lab %s has the number %d: numbers ascend from 1", lab.Slug, lab.Number)
		}
		check(lab, map[string]bool{})
		if in := func(p Part) bool { return p.First <= lab.Number && lab.Number <= p.Last }; len(c.Parts) > 0 && !slices.ContainsFunc(c.Parts, in) {
			wrong("lab %d belongs to no part: nobody who names a part is given it", lab.Number)
		}
	}
	if c.Tour != nil {
		check(*c.Tour, map[string]bool{})
		if _, err := c.Screens(); err != nil {
			errs = append(errs, err)
		}
	}
	if c.Story != nil {
		all := map[string]bool{}
		for id := range known {
			all[id] = true
		}
		check(*c.Story, all)
	}
	return errors.Join(append(errs, c.complete(c.Way()))...)
}
