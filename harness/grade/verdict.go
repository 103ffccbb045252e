package grade

import (
	"rolecall/harness"
	"rolecall/harness/check"
	"rolecall/harness/intake"
	"rolecall/harness/next"
)

// Unjudged is a result of which nothing could be checked, for a reason of ours.
func Unjudged(labs []harness.Lab, why error) []harness.LabResult {
	return everywhere(labs, harness.CheckResult{Outcome: harness.Error, Error: check.Printable(why.Error(), 2000), Next: next.Of(why)})
}

// Refused is the result of a submission that was not taken in. Every check is
// the submitter's failure: nothing was handed in that it could hold of.
func Refused(labs []harness.Lab, r *intake.Refusal) []harness.LabResult {
	return everywhere(labs, harness.CheckResult{
		Outcome: harness.Fail,
		Want:    "a submission that can be taken in", Got: "it was refused: " + check.Printable(r.Reason, 1000),
		Hint: "Hand in one directory, .zip or .tar.gz that holds " + intake.Folders(labs) + ".",
	})
}

// everywhere gives every check of the labs the same verdict.
func everywhere(labs []harness.Lab, verdict harness.CheckResult) (results []harness.LabResult) {
	for _, lab := range labs {
		var checks []harness.CheckResult
		for _, c := range lab.Checks {
			v := harness.NewCheckResult(c)
			v.Outcome, v.Want, v.Got, v.Hint, v.Error, v.Next = verdict.Outcome, verdict.Want, verdict.Got, verdict.Hint, verdict.Error, verdict.Next
			checks = append(checks, v)
		}
		results = append(results, harness.NewLabResult(lab, checks, 0))
	}
	return results
}
