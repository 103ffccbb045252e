package grade

import (
	"rolecall/harness"
	"rolecall/harness/check"
	"rolecall/harness/intake"
)

// Unjudged is a result of which nothing could be checked, for a reason of ours.
func Unjudged(steps []harness.Step, why error) []harness.StepResult {
	return all(steps, harness.CheckResult{Outcome: harness.Error, Error: check.Printable(why.Error(), 2000)})
}

// Refused is the result of a submission that was not taken in. Every check is
// the submitter's failure: nothing was handed in that it could hold of.
func Refused(steps []harness.Step, r *intake.Refusal) []harness.StepResult {
	return all(steps, harness.CheckResult{
		Outcome: harness.Fail,
		Want:    "a submission that can be taken in", Got: "it was refused: " + check.Printable(r.Reason, 1000),
		Hint: "Hand in one directory, .zip or .tar.gz with lab-1 to lab-5 in it.",
	})
}

// all gives every check of the steps the same verdict.
func all(steps []harness.Step, verdict harness.CheckResult) (results []harness.StepResult) {
	for _, step := range steps {
		var checks []harness.CheckResult
		for _, c := range step.Checks {
			v := verdict
			v.ID, v.Desc, v.MaxPoints = c.ID, c.Desc, c.Points
			v.Needs, v.Evidence = append([]string{}, c.Needs...), []check.Evidence{}
			checks = append(checks, v)
		}
		results = append(results, harness.NewStepResult(step, checks, 0))
	}
	return results
}
