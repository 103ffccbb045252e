package report

import (
	"strings"

	"rolecall/harness"
)

// prairieLearnResult is PrairieLearn's /grade/results/results.json. What could
// not be checked, or needs review, is not gradable: then no attempt is used up.
type prairieLearnResult struct {
	Gradable     bool               `json:"gradable"`
	FormatErrors []string           `json:"format_errors,omitempty"` // why it is not gradable
	Score        *float64           `json:"score,omitempty"`         // from 0 to 1; of a gradable one
	Message      string             `json:"message"`
	Tests        []prairieLearnTest `json:"tests"`
}

// prairieLearnTest is one check. A check of no points is shown as neutral.
type prairieLearnTest struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Points      int    `json:"points"`
	MaxPoints   int    `json:"max_points"`
	Message     string `json:"message,omitempty"`
	Output      string `json:"output,omitempty"`
}

// prairieLearn is the result as PrairieLearn reads it.
func prairieLearn(r *harness.Result) prairieLearnResult {
	out := prairieLearnResult{Gradable: r.Outcome != harness.Error && r.Review == nil, Message: strings.Join(append([]string{sentence(r)}, Asides(r)...), "\n"), Tests: []prairieLearnTest{}}
	if out.Gradable {
		score := 0.0
		if r.MaxPoints > 0 {
			score = float64(r.Points) / float64(r.MaxPoints)
		}
		out.Score = &score
	}
	if r.Review != nil {
		out.FormatErrors = Asides(r)
		return out
	}
	for _, lab := range r.Labs {
		for _, c := range lab.Checks {
			if c.Outcome == harness.Error {
				out.FormatErrors = append(out.FormatErrors, c.ID+" "+Explain(c))
			}
			t := prairieLearnTest{Name: c.ID, Description: c.Desc, Points: c.Points, MaxPoints: c.MaxPoints, Output: Explain(c)}
			if c.Outcome != harness.Pass {
				t.Message = map[harness.Outcome]string{harness.Fail: "not yet", harness.Error: notYours, harness.Skipped: "skipped"}[c.Outcome]
			}
			out.Tests = append(out.Tests, t)
		}
	}
	return out
}
