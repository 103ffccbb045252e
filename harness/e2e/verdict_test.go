package e2e_test

import (
	"fmt"
	"slices"
	"strings"

	"rolecall/harness"
)

// caughtBy are the outcomes of a lab's checks where one alone fails: those that
// build on it are skipped, the others pass.
func caughtBy(id string, lab harness.Lab) (all []string) {
	without := map[string]bool{}
	for _, c := range lab.Checks { // each stands after what it needs
		outcome := harness.Pass
		switch {
		case c.ID == id:
			outcome = harness.Fail
		case slices.ContainsFunc(c.Needs, func(need string) bool { return without[need] }):
			outcome = harness.Skipped
		}
		without[c.ID] = outcome != harness.Pass
		all = append(all, c.ID+": "+string(outcome))
	}
	return all
}

func outcomes(r harness.LabResult) (all []string) {
	for _, c := range r.Checks {
		all = append(all, c.ID+": "+string(c.Outcome))
	}
	return all
}

// with are the checks with an outcome.
func with(r harness.LabResult, o harness.Outcome) (checks []harness.CheckResult) {
	for _, c := range r.Checks {
		if c.Outcome == o {
			checks = append(checks, c)
		}
	}
	return checks
}

// words is a verdict in lines, for a test's failure.
func words(r harness.LabResult) string {
	var b strings.Builder
	for _, c := range r.Checks {
		fmt.Fprintf(&b, "\n%s %s", c.Outcome, c.ID)
		switch c.Outcome {
		case harness.Fail:
			fmt.Fprintf(&b, ": wanted %q, found %q", c.Want, c.Got)
		case harness.Error, harness.Skipped:
			b.WriteString(": " + c.Error)
			if c.Next != "" {
				b.WriteString("; next: " + c.Next)
			}
		}
	}
	return b.String()
}
