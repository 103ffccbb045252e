// Package learn keeps how far one learner is with a course, and gives hints by
// it. It is kept in a folder beside the submission: progress.yaml, and the last
// result of each lab. The learner may read, change and delete all of it, so
// nothing in it is trusted for marks.
package learn

import (
	"fmt"
	"maps"
	"path/filepath"
	"sync"
	"time"

	"rolecall/harness"
	"rolecall/harness/check"
)

// Progress is one learner's way through a course. It is read anew for each
// call, so that several programs may use it; where two of them write at once,
// one of the two attempts is not counted. Its methods may be called from several
// goroutines.
type Progress struct {
	mu         sync.Mutex // held from reading to writing
	course     harness.Course
	submission string
	dir        string
	say        func(string)
}

// Open returns the progress of who writes in that submission, a directory. It
// reads and writes nothing yet. say is told what was set aside.
func Open(course harness.Course, submission string, say func(string)) (*Progress, error) {
	path, err := filepath.Abs(submission)
	if err != nil {
		return nil, fmt.Errorf("finding the learner's progress: %w", err)
	}
	return &Progress{course: course, submission: submission, dir: path + Suffix, say: say}, nil
}

// Suffix is what the folder's name has after the submission's.
const Suffix = "-progress"

// Record keeps a run over the submission: its result for each lab, and an
// attempt at each that was judged. An error of ours is no attempt.
func (p *Progress) Record(result *harness.Result) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	known, err := p.read()
	if err != nil {
		return err
	}
	ended := result.StartedAt.Add(time.Duration(result.DurationMs) * time.Millisecond).UTC().Truncate(time.Second)
	unfinished := false
	for _, of := range result.Labs {
		word := p.word(of.Number)
		if !unfinished { // the first lab that did not pass, or else the last one
			known.Last = word
		}
		unfinished = unfinished || of.Outcome != harness.Pass
		if err := p.keep(result, of); err != nil {
			return err
		}
		lab := known.lab(word)
		lab.Outcome = of.Outcome
		if of.Outcome.Graded() {
			lab.Attempts++
		}
		if of.Outcome == harness.Pass && lab.Passed == nil {
			lab.Passed = &ended
		}
	}
	return p.write(known)
}

func (p *Progress) word(number int) string { return p.course.Word(harness.Lab{Number: number}) }

// State is how far the learner is with a lab.
type State struct {
	Lab      harness.Lab
	Begun    bool            // there are files of it, or it was checked
	Attempts int             // checks that judged it
	Outcome  harness.Outcome // of the last check; "" if there was none
	Passed   time.Time       // for the first time; zero if it did not
	Hints    map[string]int  // the levels of hints that were given, by check id
}

// Labs are the course's labs and its story, in the order in which they are
// taken.
func (p *Progress) Labs() ([]State, error) {
	known, err := p.read()
	if err != nil {
		return nil, err
	}
	var states []State
	for _, lab := range p.course.Way() {
		states = append(states, p.state(known, lab))
	}
	return states, nil
}

// Next is the first lab that is not passed; ok is false where all are.
func (p *Progress) Next() (state State, ok bool, err error) {
	states, err := p.Labs()
	for _, s := range states {
		if s.Passed.IsZero() {
			return s, true, err
		}
	}
	return State{}, false, err
}

// Of is how far the learner is with one lab.
func (p *Progress) Of(lab harness.Lab) (State, error) {
	known, err := p.read()
	if err != nil {
		return State{Lab: lab}, err
	}
	return p.state(known, lab), nil
}

func (p *Progress) state(known *record, lab harness.Lab) State {
	s := State{Lab: lab, Hints: map[string]int{}}
	if files, err := check.OpenSubmission(p.submission, nil); err == nil {
		s.Begun = lab.Number > 0 && files.Has(lab.Folder())
		files.Close()
	}
	kept, there := known.Labs[p.course.Word(lab)]
	if !there {
		return s
	}
	s.Begun, s.Attempts, s.Outcome = s.Begun || kept.Attempts > 0, kept.Attempts, kept.Outcome
	if kept.Passed != nil {
		s.Passed = *kept.Passed
	}
	for id, h := range kept.Hints {
		s.Hints[id] = h.Level
	}
	return s
}

// Last is the lab that was checked last; ok is false where none was. Of several
// that were checked together it is the first that did not pass.
func (p *Progress) Last() (lab harness.Lab, ok bool, err error) {
	known, err := p.read()
	if err != nil {
		return lab, false, err
	}
	for _, lab := range p.course.Way() {
		if p.course.Word(lab) == known.Last {
			return lab, true, nil
		}
	}
	return lab, false, nil
}

// Tell adds to a result which hints the learner was given for its checks.
func (p *Progress) Tell(result *harness.Result) error {
	known, err := p.read()
	if err != nil {
		return err
	}
	for i := range result.Labs {
		of := &result.Labs[i]
		levels := p.state(known, harness.Lab{Number: of.Number}).Hints
		maps.DeleteFunc(levels, func(id string, _ int) bool { return !has(of, id) })
		if len(levels) > 0 {
			of.Hints = levels
		}
	}
	return nil
}

func has(lab *harness.LabResult, id string) bool {
	for _, c := range lab.Checks {
		if c.ID == id {
			return true
		}
	}
	return false
}
