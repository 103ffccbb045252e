// Package tutor says what a tutor, a person or a model, may be shown of a
// learner's results: what was checked, wanted and found, the evidence, and the
// hints that the learner has had. It never has a token or a key in it, nor
// anything of the solution, whatever the submission prints; docs/tutor.md says
// how far that goes.
package tutor

import (
	"slices"

	"rolecall/harness"
	"rolecall/harness/check"
)

// SchemaVersion names the format; docs/tutor.md describes it.
const SchemaVersion = "rolecall/explanation/v1"

// Bounds of what is told of one check.
const (
	maxEvidence = 12   // pieces
	maxText     = 2000 // bytes of one text
)

// Explanation is what a tutor may be shown. JSON names are part of the format.
type Explanation struct {
	Schema     string          `json:"schema"`     // SchemaVersion
	Kubernetes string          `json:"kubernetes"` // the API server's version
	Outcome    harness.Outcome `json:"outcome"`
	Labs       []Lab           `json:"labs"`
}

// Lab is one lab's part of it.
type Lab struct {
	Number  int             `json:"lab"`
	Slug    string          `json:"slug"`
	Title   string          `json:"title"`
	Outcome harness.Outcome `json:"outcome"`
	Checks  []Check         `json:"checks"`
}

// Check is how one check went.
type Check struct {
	ID           string          `json:"id"`
	Desc         string          `json:"description"`
	Outcome      harness.Outcome `json:"outcome"`
	Needs        []string        `json:"needs"`
	Wanted       string          `json:"wanted,omitempty"`
	Found        string          `json:"found,omitempty"`
	Why          string          `json:"why,omitempty"` // of an error or a skipped check
	Position     check.Position  `json:"position,omitzero"`
	HintsReached int             `json:"hintsReached"`
	Hints        []string        `json:"hints"` // those reached
	Evidence     []Evidence      `json:"evidence"`
}

// Evidence has exactly one field set, as check.Evidence has.
type Evidence struct {
	Request *Request      `json:"request,omitempty"`
	Output  *check.Output `json:"output,omitempty"`
	Object  string        `json:"object,omitempty"`
}

// Request is what of a check.Request teaches something.
type Request struct {
	User         string   `json:"user"`
	Groups       []string `json:"groups,omitempty"`
	Verb         string   `json:"verb"`
	Resource     string   `json:"resource,omitempty"`
	Namespace    string   `json:"namespace,omitempty"`
	Name         string   `json:"name,omitempty"`
	URI          string   `json:"requestURI"`
	Code         int32    `json:"code"`
	StatusReason string   `json:"statusReason,omitempty"`
	Decision     string   `json:"decision,omitempty"`
	Reason       string   `json:"reason,omitempty"`
	BoundToPod   bool     `json:"boundToPod"` // the credential is a token that is bound to a pod
}

// Hints are the texts of the levels of hints, by check: those that the learner
// has reached, in order, and those still to come, which nothing may tell.
type Hints struct{ Reached, Beyond map[string][]string }

// Explain says of a result what a tutor may be shown. What a check is about
// comes from the course; checks that it does not have are left out. All the
// rest, which a submission may have had a hand in, is searched for what must not
// be told.
func Explain(course harness.Course, result *harness.Result, hints Hints) (*Explanation, error) {
	secret, err := newSecrets(course, hints.Beyond)
	if err != nil {
		return nil, err
	}
	all, err := course.Select("all")
	if err != nil {
		return nil, err
	}
	out := &Explanation{Schema: SchemaVersion, Kubernetes: secret.hide(result.Cluster.Kubernetes), Labs: []Lab{}}
	sum := harness.Result{}
	for _, lab := range all {
		i := slices.IndexFunc(result.Labs, func(l harness.LabResult) bool { return l.Slug == lab.Slug })
		if i >= 0 {
			explained, of := secret.lab(lab, result.Labs[i], hints)
			out.Labs, sum.Labs = append(out.Labs, explained), append(sum.Labs, of)
		}
	}
	sum.Sum()
	out.Outcome = sum.Outcome
	return out, nil
}

// lab is what may be told of a lab, and the result of those checks that it has.
func (s *secrets) lab(lab harness.Lab, result harness.LabResult, hints Hints) (Lab, harness.LabResult) {
	out := Lab{Number: lab.Number, Slug: lab.Slug, Title: lab.Title, Checks: []Check{}}
	var known []harness.CheckResult
	for _, c := range lab.Checks {
		i := slices.IndexFunc(result.Checks, func(r harness.CheckResult) bool { return r.ID == c.ID })
		if i >= 0 {
			known = append(known, result.Checks[i])
			out.Checks = append(out.Checks, s.check(c, result.Checks[i], hints.Reached[c.ID]))
		}
	}
	of := harness.NewLabResult(lab, known, 0)
	out.Outcome = of.Outcome
	return out, of
}

func (s *secrets) check(c harness.Check, result harness.CheckResult, reached []string) Check {
	out := Check{
		ID: c.ID, Desc: c.Desc, Outcome: harness.Outcome(s.hide(string(result.Outcome))), Needs: append([]string{}, c.Needs...),
		Wanted: s.hide(result.Want), Found: s.hide(result.Got), Why: s.hide(result.Error),
		Position:     check.Position{File: s.hide(result.Position.File), Line: result.Position.Line, Column: result.Position.Column},
		HintsReached: len(reached), Hints: []string{}, Evidence: []Evidence{},
	}
	for _, hint := range reached { // the course's own words: only what looks like a secret is hidden
		out.Hints = append(out.Hints, readable(check.Printable(hint, maxText)))
	}
	for _, e := range result.Evidence[:min(maxEvidence, len(result.Evidence))] {
		out.Evidence = append(out.Evidence, s.evidence(e))
	}
	return out
}

func (s *secrets) evidence(e check.Evidence) Evidence {
	switch {
	case e.Request != nil:
		r := e.Request
		request := Request{
			User: s.hide(r.User), Verb: s.hide(r.Verb), Resource: s.hide(r.Resource), Namespace: s.hide(r.Namespace), Name: s.hide(r.Name),
			URI: s.hide(r.URI), Code: r.Code, StatusReason: s.hide(r.StatusReason), Decision: s.hide(r.Decision), Reason: s.hide(r.Reason),
			BoundToPod: r.PodUID != "",
		}
		for _, group := range r.Groups[:min(maxEvidence, len(r.Groups))] {
			request.Groups = append(request.Groups, s.hide(group))
		}
		return Evidence{Request: &request}
	case e.Output != nil:
		return Evidence{Output: &check.Output{
			Stdout: s.hide(e.Output.Stdout), Stderr: s.hide(e.Output.Stderr),
			ExitStatus: e.Output.ExitStatus, TimedOut: e.Output.TimedOut,
		}}
	}
	return Evidence{Object: s.hide(e.Object)}
}
