package report

import "rolecall/harness"

// PrairieLearnResult is PrairieLearn's /grade/results/results.json. What could
// not be checked is not gradable: then no attempt is used up.
type PrairieLearnResult struct {
	Gradable     bool               `json:"gradable"`
	FormatErrors []string           `json:"format_errors,omitempty"` // why it is not gradable
	Score        *float64           `json:"score,omitempty"`         // from 0 to 1; of a gradable one
	Message      string             `json:"message"`
	Tests        []PrairieLearnTest `json:"tests"`
}

// PrairieLearnTest is one check. A check of no points is shown as neutral.
type PrairieLearnTest struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Points      int    `json:"points"`
	MaxPoints   int    `json:"max_points"`
	Message     string `json:"message,omitempty"`
	Output      string `json:"output,omitempty"`
}

// PrairieLearn is the result as PrairieLearn reads it.
func PrairieLearn(r *harness.Result) PrairieLearnResult {
	out := PrairieLearnResult{Gradable: r.Outcome != harness.Error, Message: tally(r), Tests: []PrairieLearnTest{}}
	if out.Gradable {
		score := 0.0
		if r.MaxPoints > 0 {
			score = float64(r.Points) / float64(r.MaxPoints)
		}
		out.Score = &score
	}
	for _, step := range r.Steps {
		for _, c := range step.Checks {
			if c.Outcome == harness.Error {
				out.FormatErrors = append(out.FormatErrors, c.ID+" "+Explain(c))
			}
			t := PrairieLearnTest{Name: c.ID, Description: c.Desc, Points: c.Points, MaxPoints: c.MaxPoints, Output: Explain(c)}
			if c.Outcome != harness.Pass {
				t.Message = map[harness.Outcome]string{harness.Fail: "not yet", harness.Error: notYours, harness.Skipped: "skipped"}[c.Outcome]
			}
			out.Tests = append(out.Tests, t)
		}
	}
	return out
}
