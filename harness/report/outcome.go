package report

import (
	"fmt"

	"rolecall/harness"
)

// looks are how outcomes are shown: as a sign, on a terminal in a colour, in
// Markdown as a mark, and counted in a sentence.
var looks = map[harness.Outcome]struct{ sign, colour, mark, counted string }{
	harness.Pass:    {"✓", "32", "✅ pass", "passed"},
	harness.Fail:    {"✗", "31", "❌ fail", "failed"},
	harness.Error:   {"!", "35", "⚠️ error", "could not be checked"},
	harness.Skipped: {"-", "90", "➖ skipped", "skipped"},

	harness.NeedsReview: {"?", "33", "🔎 needs review", ""},
	harness.NotHandedIn: {"?", "33", "🔎 nothing handed in", ""},
}

// Sign is an outcome as one character.
func Sign(o harness.Outcome) string { return looks[o].sign }

// sentence is a run in one sentence.
func sentence(r *harness.Result) string {
	switch r.Outcome {
	case harness.NeedsReview:
		return "needs review: not graded, no points given or taken"
	case harness.NotHandedIn:
		return "nothing was handed in"
	}
	count := map[harness.Outcome]int{}
	total := 0
	for _, lab := range r.Labs {
		for _, c := range lab.Checks {
			count[c.Outcome]++
			total++
		}
	}
	text := fmt.Sprintf("%d of %d checks passed, %d of %d points", count[harness.Pass], total, r.Points, r.MaxPoints)
	for _, o := range []harness.Outcome{harness.Fail, harness.Error, harness.Skipped} {
		if count[o] > 0 {
			text += fmt.Sprintf(", %d %s", count[o], looks[o].counted)
		}
	}
	return text
}
