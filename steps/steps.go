// Package steps holds the steps of the walkthrough, one file each, and the one
// ordered list of them.
package steps

import "rolecall/harness"

// All returns the steps in the order of the walkthrough, ready for one run:
// what a step's checks share lives in the step, so take new ones for each run.
func All() []harness.Step {
	return []harness.Step{
		Pod(),
		Token(),
		Forbidden(),
		RoleBinding(),
		Success(),
		Walkthrough(),
	}
}

// Lab returns the step of one lab, 1 to 5.
func Lab(number int) (harness.Step, bool) {
	for _, step := range All() {
		if step.Lab == number && number != 0 {
			return step, true
		}
	}
	return harness.Step{}, false
}
