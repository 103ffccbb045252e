package learn

import (
	"errors"
	"fmt"
	"io/fs"

	"rolecall/harness"
	"rolecall/harness/next"
)

// Levels is how many hints there are for a check: the idea, what the learner's
// own evidence says, and a similar case.
const Levels = 3

// ErrPassed is why there is no hint: the lab passed when it was checked last.
var ErrPassed = errors.New("every check passed the last time")

// Hint is what a learner is told who asks for a hint on a lab.
type Hint struct {
	Lab   harness.Lab
	Check harness.CheckResult // the first one that failed at the last attempt
	Steps []Step              // those that are open, from the first on
	New   bool                // the last of them was opened now
	Last  bool                // there is no further one
}

// Step is one level of a hint.
type Step struct {
	Level int    // from 1; 0 where there is but this one, and nothing to wait for
	Title string // "the idea"
	Text  string // Markdown of the course's; "" for what the check found, which is in Hint.Check
}

// Hint gives the next hint on a lab: for the first check that failed at the last
// attempt, the next level if there was an attempt since the one before. Asked
// earlier, it repeats those that are open.
func (p *Progress) Hint(lab harness.Lab) (*Hint, error) {
	again := "make " + p.course.Word(lab)
	result, err := p.Result(lab)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, next.Errorf(again, "giving a hint: %s was not checked yet", lab.Heading())
	}
	if err != nil {
		return nil, err
	}
	failed, err := firstFailed(result.Labs[0])
	if err != nil {
		return nil, next.Errorf(again, "giving a hint on %s: %w", lab.Heading(), err)
	}
	texts, err := p.course.Hints(lab)
	if err != nil {
		return nil, err
	}
	told := &Hint{Lab: lab, Check: failed}
	text, known := texts[failed.ID]
	if !known {
		told.Steps, told.New, told.Last = []Step{{Title: "what was found"}}, true, true
		return told, nil
	}
	level, opened, err := p.open(lab, failed.ID)
	if err != nil {
		return nil, err
	}
	told.New, told.Last = opened, level == Levels
	told.Steps = []Step{{1, "the idea", text.Idea}, {2, "what was found in yours", ""}, {3, "a similar case", text.Similar}}[:level]
	return told, nil
}

func firstFailed(of harness.LabResult) (failed harness.CheckResult, err error) {
	for _, c := range of.Checks {
		if c.Outcome == harness.Fail {
			return c, nil
		}
	}
	if of.Outcome == harness.Pass {
		return failed, ErrPassed
	}
	return failed, errors.New("it could not be checked the last time, and no check failed")
}

// open opens the next level of a check's hints if it is due.
func (p *Progress) open(of harness.Lab, id string) (level int, opened bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	known, err := p.read()
	if err != nil {
		return 0, false, err
	}
	lab := known.lab(p.course.Word(of))
	given := lab.Hints[id]
	if given == nil {
		given = &hint{}
	}
	if given.Level == Levels || given.Level > 0 && lab.Attempts <= given.Attempt {
		return given.Level, false, nil
	}
	if lab.Hints == nil {
		lab.Hints = map[string]*hint{}
	}
	lab.Hints[id] = &hint{Level: given.Level + 1, Attempt: lab.Attempts}
	if err := p.write(known); err != nil {
		return 0, false, fmt.Errorf("giving a hint: %w", err)
	}
	return given.Level + 1, true, nil
}
