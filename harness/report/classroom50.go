package report

import (
	"cmp"
	"strings"

	"rolecall/harness"
)

// classroom50Result is Classroom 50's ./result.json. It allows no fields of
// ours at the top.
type classroom50Result struct {
	Schema         string            `json:"schema"`
	Classroom      string            `json:"classroom"`
	Assignment     string            `json:"assignment"`
	AssignmentType string            `json:"assignment_type"`
	Owner          string            `json:"owner"`
	Submission     string            `json:"submission"`
	Commit         string            `json:"commit"`
	Release        string            `json:"release"`
	Review         string            `json:"review"`
	Datetime       string            `json:"datetime"`
	Score          int               `json:"score"`
	MaxScore       int               `json:"max-score"`
	Tests          []classroom50Test `json:"tests"`
}

// classroom50Test is one check. Fields beside the first four are kept as they
// are; outcome tells a failure from an error of ours, and from a submission that
// needs review.
type classroom50Test struct {
	Name     string          `json:"test-name"`
	Passed   bool            `json:"passed"`
	Score    int             `json:"score"`
	MaxScore int             `json:"max-score"`
	Outcome  harness.Outcome `json:"outcome"`
	Message  string          `json:"message,omitempty"`
}

// classroom50Needs are the variables that its runner sets.
var classroom50Needs = []string{"USERNAME", "CLASSROOM", "ASSIGNMENT", "SUBMISSION_TAG", "COMMIT_URL", "RELEASE_URL"}

// classroom50 is the result as Classroom 50 reads it. Whose result it is, its
// runner says in the environment; it stamps owner, type and time itself once
// more.
func classroom50(r *harness.Result, env func(string) string) classroom50Result {
	out := classroom50Result{
		Schema: "classroom50/result/v1", Classroom: env("CLASSROOM"), Assignment: env("ASSIGNMENT"),
		AssignmentType: cmp.Or(env("ASSIGNMENT_TYPE"), "individual"),
		Owner:          cmp.Or(env("OWNER"), env("USERNAME")), // OWNER is of a group, or by a newer runner
		Submission:     env("SUBMISSION_TAG"), Commit: env("COMMIT_URL"), Release: env("RELEASE_URL"),
		Review:   cmp.Or(env("REVIEW_URL"), env("COMMIT_URL")), // older runners have none
		Datetime: r.StartedAt.UTC().Format("2006-01-02T15:04:05Z"),
		Score:    r.Points, MaxScore: r.MaxPoints, Tests: []classroom50Test{},
	}
	for _, lab := range r.Labs {
		for _, c := range lab.Checks {
			t := classroom50Test{Name: c.ID, Passed: c.Outcome == harness.Pass, Score: c.Points, MaxScore: c.MaxPoints, Outcome: c.Outcome}
			switch {
			case r.Review != nil:
				t.Outcome, t.Message = r.Outcome, strings.Join(Asides(r), "\n")
			case !t.Passed:
				t.Message = Explain(c)
			}
			out.Tests = append(out.Tests, t)
		}
	}
	return out
}
