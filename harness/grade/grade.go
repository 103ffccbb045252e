// Package grade grades submissions: one, or a folder of them, each in a process
// of its own and on a cluster that is as new.
package grade

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"rolecall/harness"
	"rolecall/harness/cluster"
	"rolecall/harness/evidence"
	"rolecall/harness/intake"
	"rolecall/harness/next"
	"rolecall/harness/report"
)

// Settings are what submissions are graded by. Nothing of it comes from one.
type Settings struct {
	Course  harness.Course
	Labs    []harness.Lab // a part of the course
	Version string        // of the checks
	Key     *evidence.Key
	Formats []report.Format // beside results.json
	Home    string          // rolecall's folder
}

// Grader grades one submission.
type Grader struct {
	Settings
	Cluster  cluster.Owned
	Keep     bool             // the cluster, reset and verified, for the next submission
	Notes    []string         // to the submitter, of how the submission was chosen
	Observer harness.Observer // hears of the run; may be nil
	Say      func(string)     // announces decisions in a line each; may be nil
}

// ClusterName is the name of the cluster on which submissions are graded,
// beside the one of that name that learners use.
func ClusterName(name string) string { return name + "-grade" }

// Grade grades a submission and writes results.json, the formats and the
// evidence into out. What cannot be graded as it is needs review. What else kept
// it from being judged becomes the outcome error of every check, so that a
// result is always written; only an interruption, or an out that cannot be
// written to, is an error.
func (g *Grader) Grade(ctx context.Context, from, out string) (*harness.Result, error) {
	name := filepath.Base(from)
	if err := os.Remove(filepath.Join(out, report.ResultsFile)); err != nil && !errors.Is(err, fs.ErrNotExist) { // an older one is not of this evidence
		return nil, next.Errorf("name another directory with OUT=dir", "deleting older results: %w", err)
	}
	bundle, err := evidence.Create(filepath.Join(out, "evidence"))
	if err != nil {
		return nil, err
	}
	result := &harness.Result{StartedAt: time.Now().UTC(), Submission: name}
	result.Cluster.Provider = g.Cluster.Provider()
	judged, submission, left := g.judge(ctx, from, bundle)
	refusal, refused := intake.AsRefusal(left)
	switch {
	case judged != nil: // what could not be deleted afterwards changes no verdict
		judged.Submission = name
		result = judged
	case ctx.Err() != nil:
		return nil, next.Errorf("run the same command again", "grading %s: %w", report.OneLine(name, 100), harness.ErrInterrupted)
	case refused:
		result.Labs, result.Review = Unread(g.Labs, refusal)
		left = nil
	default:
		result.Labs, left = Unjudged(g.Labs, left), nil
	}
	result.Digest, result.Text, result.Notes, result.Version = submission.Digest, submission.Text, append(g.Notes[:len(g.Notes):len(g.Notes)], submission.Notes...), g.Version
	result.Sum()
	return result, errors.Join(g.write(out, result, bundle), left)
}

// judge takes the submission in and runs the labs on it, on a cluster that
// nobody graded on before.
func (g *Grader) judge(ctx context.Context, from string, bundle *evidence.Bundle) (_ *harness.Result, submission intake.Submission, err error) {
	folder, err := os.MkdirTemp("", "rolecall-grading-") // another run may be grading under the same name
	if err != nil {
		return nil, submission, next.Errorf("free some disk space", "making a folder for the submission: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	submission, err = intake.New(g.Course, g.Labs).Take(from, filepath.Join(folder, "submission"))
	if err != nil {
		return nil, submission, err
	}
	use := harness.Fresh
	if g.Keep {
		use = harness.Renew
	}
	result, err := harness.Run(ctx, g.Course, g.Labs, g.Cluster, submission.Dir, harness.Options{
		Home: g.Home, Use: use, Observer: g.Observer, Recorder: bundle, Say: g.Say,
	})
	return result, submission, err
}

// write writes the evidence and the formats, and results.json as the last.
func (s Settings) write(out string, result *harness.Result, bundle *evidence.Bundle) error {
	native, err := report.Native(result)
	if err != nil {
		return err
	}
	if err := bundle.Seal(result, native, s.Key); err != nil {
		return err
	}
	return report.WriteAs(out, result, s.Formats)
}
