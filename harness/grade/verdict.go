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

// Unread is a result of which no check was made, because the submission cannot
// be graded as it is.
func Unread(labs []harness.Lab, r *intake.Refusal) ([]harness.LabResult, *harness.Review) {
	review := &harness.Review{Outcome: harness.NeedsReview, Reason: check.Printable(r.Reason, 1000), Next: check.Printable(r.Next, 1000)}
	why := "the submission needs review, so nothing was checked"
	if r.Nothing {
		review.Outcome, why = harness.NotHandedIn, "nothing was handed in"
	}
	results := everywhere(labs, harness.CheckResult{Outcome: harness.Skipped, Error: why})
	for i := range results {
		results[i].Missing = r.Nothing && results[i].Number > 0
	}
	return results, review
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
