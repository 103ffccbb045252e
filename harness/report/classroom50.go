package report

import (
	"fmt"

	"rolecall/harness"
)

// Classroom50Result is Classroom 50's ./result.json. It allows no fields of
// ours at the top.
type Classroom50Result struct {
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
	Tests          []Classroom50Test `json:"tests"`
}

// Classroom50Test is one check. Fields beside the first four are kept as they
// are; outcome tells a failure from an error of ours.
type Classroom50Test struct {
	Name     string          `json:"test-name"`
	Passed   bool            `json:"passed"`
	Score    int             `json:"score"`
	MaxScore int             `json:"max-score"`
	Outcome  harness.Outcome `json:"outcome"`
	Message  string          `json:"message,omitempty"`
}

// Classroom50 is the result as Classroom 50 reads it. Whose result it is
// stands in the environment that its runner gives; the runner stamps owner,
// type and time itself once more.
func Classroom50(r *harness.Result, env func(string) string) (Classroom50Result, error) {
	out := Classroom50Result{
		Schema: "classroom50/result/v1", AssignmentType: env("ASSIGNMENT_TYPE"), Review: env("REVIEW_URL"),
		Datetime: r.StartedAt.UTC().Format("2006-01-02T15:04:05Z"),
		Score:    r.Points, MaxScore: r.MaxPoints, Tests: []Classroom50Test{},
	}
	for _, needed := range []struct {
		name string
		to   *string
	}{
		{"USERNAME", &out.Owner}, {"CLASSROOM", &out.Classroom}, {"ASSIGNMENT", &out.Assignment}, {"SUBMISSION_TAG", &out.Submission},
		{"COMMIT_URL", &out.Commit}, {"RELEASE_URL", &out.Release},
	} {
		if *needed.to = env(needed.name); *needed.to == "" {
			return out, fmt.Errorf("telling Classroom 50 whose result it is: %s is not set, as its runner does; leave classroom50 out of FORMATS elsewhere", needed.name)
		}
	}
	if out.AssignmentType == "" {
		out.AssignmentType = "individual"
	}
	if owner := env("OWNER"); owner != "" { // of a group, or with a newer runner
		out.Owner = owner
	}
	if out.Review == "" { // older runners
		out.Review = out.Commit
	}
	for _, step := range r.Steps {
		for _, c := range step.Checks {
			t := Classroom50Test{Name: c.ID, Passed: c.Outcome == harness.Pass, Score: c.Points, MaxScore: c.MaxPoints, Outcome: c.Outcome}
			if !t.Passed {
				t.Message = Explain(c)
			}
			out.Tests = append(out.Tests, t)
		}
	}
	return out, nil
}
