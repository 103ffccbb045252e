package harness

import (
	"context"
	"time"

	"rolecall/harness/check"
)

// Step is one step of the walkthrough: a lab. Its checks run from top to
// bottom and share what Setup made.
type Step struct {
	Slug   string // "pod"; first part of its checks' ids
	Lab    int    // 1 to 5; 0 for the walkthrough as a whole
	Title  string
	Setup  func(context.Context, *check.Env) error // optional; an error is ours
	Checks []Check
}

// Check is one sentence that holds or does not.
type Check struct {
	ID     string   // stable: courses grade against it
	Desc   string   // the sentence, as the learner reads it
	Points int      // what it is worth
	Needs  []string // ids of checks of the same run that it builds on
	// Run returns nil where the sentence holds, a *check.Failure where it
	// does not, and any other error where we could not tell.
	Run func(context.Context, *check.Env) error
}

// Outcome is one of four words.
type Outcome string

// The outcomes of a check. A step's or a whole run's is the worst of its
// checks': Error before Fail before Skipped before Pass.
const (
	Pass    Outcome = "pass"
	Fail    Outcome = "fail"    // the learner's
	Error   Outcome = "error"   // ours; it never costs points
	Skipped Outcome = "skipped" // a check that it needs did not pass
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
	Evidence   []check.Evidence `json:"evidence"`
	Error      string           `json:"error,omitempty"` // why we could not check, or why it was skipped
	DurationMs int64            `json:"durationMs"`
}

// StepResult is how one step went.
type StepResult struct {
	Slug       string        `json:"slug"`
	Lab        int           `json:"lab"`
	Title      string        `json:"title"`
	Missing    bool          `json:"missing,omitempty"` // the submission has no folder lab-N
	Outcome    Outcome       `json:"outcome"`
	Points     int           `json:"points"`
	MaxPoints  int           `json:"maxPoints"`
	Checks     []CheckResult `json:"checks"`
	DurationMs int64         `json:"durationMs"`
}

// Result is one run over one submission.
type Result struct {
	Schema     string       `json:"schema"` // SchemaVersion
	StartedAt  time.Time    `json:"startedAt"`
	Submission string       `json:"submission"`
	Digest     string       `json:"submissionDigest,omitempty"` // of what was handed in; set by grading
	Version    string       `json:"rolecall,omitempty"`         // of the checks; set by grading
	Cluster    ClusterFacts `json:"cluster"`
	Outcome    Outcome      `json:"outcome"`
	Points     int          `json:"points"`
	MaxPoints  int          `json:"maxPoints"`
	Steps      []StepResult `json:"labs"`
	DurationMs int64        `json:"durationMs"`
}

// SchemaVersion names the format of results.json; docs/results.md describes it.
const SchemaVersion = "rolecall/results/v1"

// ClusterFacts tell where a verdict was found.
type ClusterFacts struct {
	Kind       string `json:"kind"`       // kind, embedded, existing
	Kubernetes string `json:"kubernetes"` // the API server's version
	AuditLog   bool   `json:"auditLog"`   // whether there was evidence to judge by
}

// ExitStatus is the command's: 0 all passed, 1 not yet, 2 could not check.
func (r *Result) ExitStatus() int {
	switch r.Outcome {
	case Pass:
		return 0
	case Error, "":
		return 2
	}
	return 1
}
