package report

import (
	"fmt"

	"rolecall/harness"
)

// GradescopeResult is Gradescope's /autograder/results/results.json.
type GradescopeResult struct {
	Score            int              `json:"score"`
	ExecutionTime    float64          `json:"execution_time"` // seconds
	Output           string           `json:"output"`
	OutputFormat     string           `json:"output_format"`
	TestOutputFormat string           `json:"test_output_format"`
	TestNameFormat   string           `json:"test_name_format"`
	Visibility       string           `json:"visibility"`
	StdoutVisibility string           `json:"stdout_visibility"`
	Tests            []GradescopeTest `json:"tests"`
	ExtraData        map[string]any   `json:"extra_data"`
}

// GradescopeTest is one check. Status knows passed and failed only, so an
// error of ours and a skipped check have none: their tag and output tell.
type GradescopeTest struct {
	Score     int            `json:"score"`
	MaxScore  int            `json:"max_score"`
	Status    string         `json:"status,omitempty"`
	Name      string         `json:"name"`
	Number    string         `json:"number"`
	Output    string         `json:"output"`
	Tags      []string       `json:"tags"`
	ExtraData map[string]any `json:"extra_data"`
}

// Gradescope is the result as Gradescope reads it.
func Gradescope(r *harness.Result) GradescopeResult {
	out := GradescopeResult{
		Score: r.Points, ExecutionTime: float64(r.DurationMs) / 1000, Output: tally(r),
		OutputFormat: "text", TestOutputFormat: "text", TestNameFormat: "text",
		Visibility: "visible", StdoutVisibility: "hidden", // stdout has learners' output in it
		Tests:     []GradescopeTest{},
		ExtraData: map[string]any{"schema": r.Schema, "outcome": r.Outcome, "max_points": r.MaxPoints},
	}
	if r.Outcome == harness.Error {
		out.Output += "\nAt least one check " + notYours + ": ask for the submission to be graded again."
	}
	for i, step := range r.Steps {
		for j, c := range step.Checks {
			out.Tests = append(out.Tests, GradescopeTest{
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
