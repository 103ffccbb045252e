// Package watch shows one lab at a time and checks it whenever its files
// change, in a terminal or in plain lines.
package watch

import (
	"context"
	"path/filepath"
	"slices"

	"rolecall/harness"
)

// Labs is what a learner watches, and what can be done about it. Its functions
// are called one at a time, but for Check, during which the others may be called.
type Labs struct {
	Submission string
	Labs       []harness.Lab // in order; one without a number is about all before it
	First      int           // the index of the one to begin with

	// Check checks a lab. Its observer may be nil. It returns no result after
	// an error, which says why nothing was judged.
	Check func(context.Context, harness.Lab, harness.Observer) (*harness.Result, error)
	// Judged is called with each result that was told. The verdict is told again
	// with an error of it.
	Judged func(*harness.Result) error
	// Ready is called when a verdict was told, to make the next one quick.
	Ready func(context.Context)
	// Report is a verdict on a lab for the learner, with all its evidence or without.
	Report func(lab harness.Lab, v Verdict, evidence bool) string

	Actions []Action
}

// Action is what a key does to the lab that is shown.
type Action struct {
	Key, Name string
	Question  func(harness.Lab) string          // asked before; nil, or "" where it does nothing
	Do        func(harness.Lab) (string, error) // returns a text to show
}

// Watched are the folders whose files are watched, for a person.
func (l Labs) Watched(lab harness.Lab) string {
	if lab.Number == 0 {
		return l.Submission
	}
	return filepath.Join(l.Submission, lab.Folder())
}

// Verdict is what a check of a lab led to: a result, or an error that says why
// nothing was judged.
type Verdict struct {
	Result *harness.Result
	Err    error
	Note   error // of Judged
}

// Watch checks a lab now and whenever its files have changed, and tells when it
// begins and how it went, until ctx is over. What changed while it was checked is
// checked again and not told of.
func (l Labs) Watch(ctx context.Context, lab harness.Lab, observer harness.Observer, begins func(), tell func(Verdict)) {
	watched := files{l.Submission, []harness.Lab{lab}}
	if lab.Number == 0 {
		story := slices.IndexFunc(l.Labs, func(other harness.Lab) bool { return other.Number == 0 })
		watched.labs = l.Labs[:story]
	}
	var before state
	for {
		now, err := watched.saved(ctx, before)
		if err != nil {
			return
		}
		begins()
		result, err := l.Check(ctx, lab, observer)
		if ctx.Err() != nil {
			return
		}
		if watched.state().digest != now.digest {
			before = state{}
			continue
		}
		before = now
		tell(Verdict{Result: result, Err: err})
		if err == nil {
			if err := l.Judged(result); err != nil {
				tell(Verdict{Result: result, Note: err})
			}
		}
		l.Ready(ctx)
	}
}
