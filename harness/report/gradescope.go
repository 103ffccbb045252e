package report

import (
	"fmt"

	"rolecall/harness"
)

// gradescopeResult is Gradescope's /autograder/results/results.json.
type gradescopeResult struct {
	Score            *int             `json:"score,omitempty"` // without it, and without tests, Gradescope takes no grade
	ExecutionTime    float64          `json:"execution_time"`  // seconds
	Output           string           `json:"output"`
	OutputFormat     string           `json:"output_format"`
	TestOutputFormat string           `json:"test_output_format"`
	TestNameFormat   string           `json:"test_name_format"`
	Visibility       string           `json:"visibility"`
	StdoutVisibility string           `json:"stdout_visibility"`
	Tests            []gradescopeTest `json:"tests"`
	ExtraData        map[string]any   `json:"extra_data"`
}

// gradescopeTest is one check. Status knows passed and failed only, so an
// error of ours and a skipped check have none: their tag and output tell.
type gradescopeTest struct {
	Score     int            `json:"score"`
	MaxScore  int            `json:"max_score"`
	Status    string         `json:"status,omitempty"`
	Name      string         `json:"name"`
	Number    string         `json:"number"`
	Output    string         `json:"output"`
	Tags      []string       `json:"tags"`
	ExtraData map[string]any `json:"extra_data"`
}

// gradescope is the result as Gradescope reads it.
func gradescope(r *harness.Result) gradescopeResult {
	out := gradescopeResult{
		ExecutionTime: float64(r.DurationMs) / 1000, Output: sentence(r),
		OutputFormat: "text", TestOutputFormat: "text", TestNameFormat: "text",
		Visibility: "visible", StdoutVisibility: "hidden", // stdout has learners' output in it
		Tests:     []gradescopeTest{},
		ExtraData: map[string]any{"schema": r.Schema, "outcome": r.Outcome, "max_points": r.MaxPoints},
	}
	if r.Outcome == harness.Error {
		out.Output += "\nAt least one check " + notYours + ": ask for the submission to be graded again."
	}
	for _, line := range Asides(r) {
		out.Output += "\n" + line
	}
	if r.Review != nil {
		return out
	}
	out.Score = &r.Points
	for i, lab := range r.Labs {
		for j, c := range lab.Checks {
			out.Tests = append(out.Tests, gradescopeTest{
				Score: c.Points, MaxScore: c.MaxPoints,
				Status: map[harness.Outcome]string{harness.Pass: "passed", harness.Fail: "failed"}[c.Outcome],
				Name:   c.ID + ": " + c.Desc, Number: fmt.Sprintf("%d.%d", i+1, j+1),
				Output: Explain(c), Tags: []string{string(c.Outcome)},
				ExtraData: map[string]any{"id": c.ID, "outcome": c.Outcome},
			})
		}
	}
	return out
}
