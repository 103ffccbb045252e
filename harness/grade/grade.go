// Package grade grades submissions: one, or a folder of them, each in a
// process and on a cluster of its own.
package grade

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"rolecall/harness"
	"rolecall/harness/cluster"
	"rolecall/harness/evidence"
	"rolecall/harness/intake"
	"rolecall/harness/report"
)

// Course is what submissions are graded by. Nothing of it comes from one.
type Course struct {
	Steps   func() []harness.Step // new ones for each run
	Module  string                // go.mod for learners' Go programs
	Sums    string                // its go.sum
	Cache   string                // directory for compiled programs
	Version string                // of the checks
	Key     *evidence.Key
	Formats []report.Format // beside results.json
}

// Grader grades one submission.
type Grader struct {
	Course
	Cluster  cluster.Owned
	Kind     string           // of the cluster
	Keep     bool             // the cluster, reset and verified, for the next submission
	Place    string           // a folder for the submission, emptied before and after
	Observer harness.Observer // hears of the run
}

// leaves bounds what is done after an interruption: taking the cluster away.
const leaves = 2 * time.Minute

// Grade grades a submission and writes results.json, the formats and the
// evidence into out. Whatever kept it from being judged becomes the outcome
// error of every check, so that a result is always written; only an
// interruption, or an out that cannot be written to, is an error.
func (g *Grader) Grade(ctx context.Context, from, out string) (*harness.Result, error) {
	result := &harness.Result{StartedAt: time.Now().UTC(), Submission: filepath.Base(from), Version: g.Version}
	result.Cluster.Kind = g.Kind
	bundle, err := evidence.Begin(filepath.Join(out, "evidence"))
	if err != nil {
		return nil, err
	}
	left, err := g.judge(ctx, from, result, bundle)
	refusal, refused := intake.AsRefusal(err)
	switch {
	case ctx.Err() != nil:
		return nil, errors.Join(fmt.Errorf("grading %s: interrupted; type the same command again", report.OneLine(result.Submission, 100)), left)
	case refused:
		result.Steps = Refused(g.Steps(), refusal)
	case err != nil:
		result.Steps = Unjudged(g.Steps(), err)
	}
	result.Sum()
	return result, errors.Join(g.write(out, result, bundle), left)
}

// judge takes the submission in, brings the cluster up, and runs every step.
// That something is left behind afterwards changes no verdict.
func (g *Grader) judge(ctx context.Context, from string, result *harness.Result, bundle *evidence.Bundle) (left, err error) {
	if err := errors.Join(os.RemoveAll(g.Place), os.MkdirAll(filepath.Dir(g.Place), 0o700)); err != nil {
		return nil, fmt.Errorf("making a place for the submission: %w", err)
	}
	defer func() { left = errors.Join(left, os.RemoveAll(g.Place)) }()
	taken, err := intake.Take(from, g.Place)
	result.Digest = taken.Digest
	if err != nil {
		return nil, err
	}
	defer func() { left = errors.Join(left, g.leave(ctx)) }()
	if err := g.enter(ctx); err != nil {
		return nil, err
	}
	return nil, g.run(ctx, taken.Dir, result, bundle)
}

// run runs every step in the cluster, and keeps the evidence.
func (g *Grader) run(ctx context.Context, submission string, result *harness.Result, bundle *evidence.Bundle) error {
	session, err := harness.Open(ctx, harness.Setting{
		Cluster: g.Cluster, Kind: g.Kind, Submission: submission,
		Module: g.Module, Sums: g.Sums, Cache: g.Cache, AuditCopy: bundle.Audit(),
	})
	if err != nil {
		return err
	}
	defer session.Close()
	result.Cluster = session.Facts
	pods, err := bundle.WatchPods(ctx, session.Env.Client, g.Cluster.Namespaces().All())
	if err != nil {
		return fmt.Errorf("watching the pods: %w; type make status", err)
	}
	defer func() { pods.Stop(ctx, result.Steps) }()
	result.Steps = session.Runner(g.Observer).Run(ctx, g.Steps())
	for i := range result.Steps {
		if step := &result.Steps[i]; step.Lab > 0 {
			step.Missing = !session.Env.Submission.Has(fmt.Sprintf("lab-%d", step.Lab))
		}
	}
	return nil
}

// enter makes sure of a cluster that nobody graded on before.
func (g *Grader) enter(ctx context.Context) error {
	if g.Keep {
		if err := g.Cluster.Up(ctx); err != nil {
			return err
		}
		if renew(ctx, g.Cluster) == nil {
			return nil
		} // what cannot be verified is replaced
	}
	if err := g.Cluster.Down(ctx); err != nil { // of an earlier run that was killed
		return err
	}
	return g.Cluster.Up(ctx)
}

// leave takes the cluster away, also after an interruption.
func (g *Grader) leave(ctx context.Context) error {
	if g.Keep {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaves)
	defer cancel()
	return g.Cluster.Down(ctx)
}

// write writes the evidence and the formats, and results.json as the last.
func (g *Grader) write(out string, result *harness.Result, bundle *evidence.Bundle) error {
	native, err := report.Native(result)
	if err != nil {
		return err
	}
	if err := bundle.Seal(result, native, g.Key); err != nil {
		return err
	}
	return report.WriteAs(out, result, g.Formats)
}
