package command

import (
	"github.com/spf13/cobra"

	"rolecall/harness"
	"rolecall/harness/report"
)

// observer is an Observer that shows a run until it is interrupted, with advice
// worded for the user of a command.
type observer struct {
	cmd   *cobra.Command
	shows *report.Terminal // may be nil
	heard bool             // of any lab
	waits map[string]bool  // the checks whose hints wait until the learner asks, by id
	stuck bool             // one of them failed
	brief bool             // without evidence
}

func (o *observer) silent() bool { return o.shows == nil || o.cmd.Context().Err() != nil }

// LabBegins shows it.
func (o *observer) LabBegins(lab harness.Lab) {
	o.heard = true
	if !o.silent() {
		o.shows.LabBegins(lab)
	}
}

// CheckBegins shows it.
func (o *observer) CheckBegins(c harness.Check) {
	if !o.silent() {
		o.shows.CheckBegins(c)
	}
}

// CheckEnds shows it. Of an interrupted check there is nothing to say.
func (o *observer) CheckEnds(c harness.CheckResult) {
	o.stuck = o.stuck || c.Outcome == harness.Fail && o.waits[c.ID]
	switch {
	case !o.silent():
		o.shows.CheckEnds(o.worded(c))
	case o.shows != nil:
		o.shows.Stop()
	}
}

// LabEnds shows it.
func (o *observer) LabEnds(lab harness.LabResult) {
	if o.silent() {
		return
	}
	checks := make([]harness.CheckResult, len(lab.Checks))
	for i, c := range lab.Checks {
		checks[i] = o.worded(c)
	}
	lab.Checks = checks
	o.shows.LabEnds(lab)
}

// holds reports whether a check's hint waits until the learner asks for it.
func (o *observer) holds(c harness.CheckResult) bool {
	return c.Outcome == harness.Fail && !c.Slip && o.waits[c.ID]
}

func (o *observer) worded(c harness.CheckResult) harness.CheckResult {
	if o.holds(c) {
		c.Hint = ""
	}
	if o.brief {
		c.Evidence = nil
	}
	return wordedCheck(o.cmd, c)
}

// wordedCheck is a check's result with its advice as the user of a command must
// type it.
func wordedCheck(cmd *cobra.Command, c harness.CheckResult) harness.CheckResult {
	c.Hint = withVariables(cmd, c.Hint)
	if c.Next != "" {
		c.Next = worded(cmd, c.Next)
	}
	return c
}
