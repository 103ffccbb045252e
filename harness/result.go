package harness

import (
	"cmp"
	"errors"
	"time"

	"rolecall/harness/check"
	"rolecall/harness/next"
)

// Outcome is what became of a check, a lab or a submission, in a word.
type Outcome string

// The outcomes of a check. A lab's or a whole run's is the worst of its
// checks': Error before Fail before Skipped before Pass.
const (
	Pass    Outcome = "pass"
	Fail    Outcome = "fail"    // the learner's
	Error   Outcome = "error"   // ours; it never costs points
	Skipped Outcome = "skipped" // a check that it needs did not pass
)

// The outcomes of a submission of which no check was made. They are no grade.
const (
	NeedsReview Outcome = "needs-review"      // it cannot be graded as it is: a person must look
	NotHandedIn Outcome = "nothing-handed-in" // there is nothing in it
)

// worse is the one of two outcomes that speaks for both.
func worse(a, b Outcome) Outcome {
	rank := map[Outcome]int{"": 0, Pass: 1, Skipped: 2, Fail: 3, Error: 4}
	if rank[b] > rank[a] {
		return b
	}
	return a
}

// CheckResult is how one check went. JSON names are part of the format.
type CheckResult struct {
	ID         string           `json:"id"`
	Desc       string           `json:"description"`
	Outcome    Outcome          `json:"outcome"`
	Points     int              `json:"points"`
	MaxPoints  int              `json:"maxPoints"`
	Needs      []string         `json:"needs"`
	Want       string           `json:"want"`
	Got        string           `json:"got"`
	Hint       string           `json:"hint"`
	Slip       bool             `json:"slip,omitempty"`    // the file itself is wrong: missing, unreadable, still the starter
	Position   check.Position   `json:"position,omitzero"` // of what is wrong in the submission
	Evidence   []check.Evidence `json:"evidence"`
	Error      string           `json:"error,omitempty"` // why we could not check, or why it was skipped
	Next       string           `json:"next,omitempty"`  // what to do about an error of ours
	DurationMs int64            `json:"durationMs"`
}

// LabResult is how one lab went.
type LabResult struct {
	Slug      string        `json:"slug"`
	Number    int           `json:"lab"`
	Title     string        `json:"title"`
	Missing   bool          `json:"missing,omitempty"` // the submission has no folder lab-N
	Outcome   Outcome       `json:"outcome"`
	Points    int           `json:"points"`
	MaxPoints int           `json:"maxPoints"`
	Checks    []CheckResult `json:"checks"`
	Deeds     []check.Deed  `json:"deeds,omitempty"`   // what rolecall itself did to the cluster meanwhile
	Cleanup   string        `json:"cleanup,omitempty"` // why what the lab created could not be deleted
	// Hints are the levels of hints that the learner was given, by check id; only
	// where the learner says so.
	Hints      map[string]int `json:"hints,omitempty"`
	DurationMs int64          `json:"durationMs"`
}

// Heading is the lab's number, if it has one, and its title.
func (l LabResult) Heading() string { return heading(l.Number, l.Title) }

// Folder is the lab's folder in a submission.
func (l LabResult) Folder() string { return Lab{Number: l.Number}.Folder() }

// Result is one run over one submission.
type Result struct {
	Schema     string       `json:"schema"` // SchemaVersion
	StartedAt  time.Time    `json:"startedAt"`
	Submission string       `json:"submission"`
	Digest     string       `json:"submissionDigest,omitempty"` // of what was handed in; set by grading
	Version    string       `json:"rolecall,omitempty"`         // of the checks; set by grading
	Text       string       `json:"textDigest,omitempty"`       // of the labs' files, white space aside; set by grading
	Notes      []string     `json:"notes,omitempty"`            // how the submission was taken; set by grading
	Cluster    ClusterFacts `json:"cluster"`
	Outcome    Outcome      `json:"outcome"`
	Review     *Review      `json:"review,omitempty"` // why no check was made; set by grading
	Points     int          `json:"points"`
	MaxPoints  int          `json:"maxPoints"`
	Labs       []LabResult  `json:"labs"`
	DurationMs int64        `json:"durationMs"`
}

// Review is why a submission was not graded, for the person who looks at it and
// for its submitter.
type Review struct {
	Outcome Outcome `json:"outcome"` // NeedsReview or NotHandedIn
	Reason  string  `json:"reason"`
	Next    string  `json:"next"` // what to do, as a sentence
}

// SchemaVersion names the format of results.json; docs/results.md describes it.
const SchemaVersion = "rolecall/results/v1"

// ClusterFacts tell where a verdict was found.
type ClusterFacts struct {
	Provider   string `json:"kind"`             // kind, embedded, existing
	Kubernetes string `json:"kubernetes"`       // the API server's version
	AuditLog   bool   `json:"auditLog"`         // whether there was evidence to judge by
	Served     int    `json:"served,omitempty"` // how many submissions it had served before; it was proved to be as new
}

// ExitStatus is the command's: 0 all passed, 1 not yet, 2 could not check, 3 a
// person must look.
func (r *Result) ExitStatus() int {
	switch r.Outcome {
	case Pass:
		return 0
	case Error, "":
		return 2
	case NeedsReview:
		return 3
	}
	return 1
}

// NewCheckResult is a check without an outcome yet.
func NewCheckResult(c Check) CheckResult {
	return CheckResult{
		ID: c.ID, Desc: c.Desc, MaxPoints: c.Points,
		Needs: append([]string{}, c.Needs...), Evidence: []check.Evidence{},
	}
}

// settle turns what a check returned into its outcome. A failure that does not
// say where it is, is about the only file that there is, if there is one.
func (c *CheckResult) settle(err error, only check.Position) {
	var failure *check.Failure
	switch {
	case err == nil:
		c.Outcome, c.Points = Pass, c.MaxPoints
	case errors.As(err, &failure):
		c.Outcome, c.Want, c.Got, c.Hint, c.Slip = Fail, failure.Want, failure.Got, failure.Hint, failure.Slip
		c.Position = cmp.Or(failure.Position, only)
	default:
		c.Outcome, c.Error, c.Next = Error, err.Error(), next.Of(err)
	}
}

// NewLabResult sums up a lab's checks.
func NewLabResult(lab Lab, checks []CheckResult, took time.Duration) LabResult {
	result := LabResult{Slug: lab.Slug, Number: lab.Number, Title: lab.Title, Checks: checks, DurationMs: took.Milliseconds()}
	for _, c := range checks {
		result.Outcome = worse(result.Outcome, c.Outcome)
		result.Points += c.Points
		result.MaxPoints += c.MaxPoints
	}
	return result
}

// Graded reports whether the points are a grade: something was judged, and no
// error of ours was in the way.
func (o Outcome) Graded() bool { return o == Pass || o == Fail || o == Skipped }

// Sum completes a result from its labs and from what kept it from being graded.
func (r *Result) Sum() {
	r.Schema, r.DurationMs = SchemaVersion, time.Since(r.StartedAt).Milliseconds()
	r.Outcome, r.Points, r.MaxPoints = "", 0, 0
	for _, lab := range r.Labs {
		r.Outcome = worse(r.Outcome, lab.Outcome)
		r.Points += lab.Points
		r.MaxPoints += lab.MaxPoints
	}
	if r.Review != nil {
		r.Outcome = r.Review.Outcome
	}
}

// Replay tells an observer of a result as its run would have, but for the
// beginnings of checks.
func (r *Result) Replay(o Observer) {
	for _, lab := range r.Labs {
		begun := Lab{Number: lab.Number, Title: lab.Title}
		for _, c := range lab.Checks {
			begun.Checks = append(begun.Checks, Check{ID: c.ID})
		}
		o.LabBegins(begun)
		for _, c := range lab.Checks {
			o.CheckEnds(c)
		}
		o.LabEnds(lab)
	}
}
