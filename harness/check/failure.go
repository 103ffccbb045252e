// Package check is the vocabulary of checks: the things a check can do to a
// cluster and to a submission (apply, start a pod, run a program, ask the
// authorizer, read the audit log), and the two ways it can end badly: a
// *Failure, which is the learner's, and any other error, which is ours.
package check

import (
	"errors"
	"fmt"
)

// Failure says what is wrong with the learner's work. It is the only error
// that costs points; every other error means that we could not check.
type Failure struct {
	Want string // what was asked for
	Got  string // what was found instead
	Hint string // one thing to try next
	// Slip reports that something is wrong with the file itself: it is not
	// there, cannot be read, or is still the starter. Such a hint gives nothing
	// of the lab away, so it is shown before anybody asks for it.
	Slip bool

	Position Position // of what is wrong, as far as it is known
}

func (f *Failure) Error() string {
	return fmt.Sprintf("wanted %s, found %s", f.Want, f.Got)
}

// AsFailure tells the learner's failure from an error of ours.
func AsFailure(err error) (*Failure, bool) {
	var f *Failure
	ok := errors.As(err, &f)
	return f, ok
}

// Evidence is something that was seen, kept beside a verdict so that a person
// can judge it again. Exactly one field is set.
type Evidence struct {
	Request *Request `json:"request,omitempty"` // as the API server saw it
	Output  *Output  `json:"output,omitempty"`  // what a program left behind
	Object  string   `json:"object,omitempty"`  // state of an object, in a sentence
	Access  *Access  `json:"access,omitempty"`  // what an account could do before and after
	Effect  *Effect  `json:"effect,omitempty"`  // what the learner's objects grant
}

// Output is the end of one run of a learner's program.
type Output struct {
	Stdout     string `json:"stdout"` // printable, capped
	Stderr     string `json:"stderr"` // printable, capped
	ExitStatus int    `json:"exitStatus"`
	TimedOut   bool   `json:"timedOut,omitempty"`
}
