package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"k8s.io/client-go/kubernetes"

	"rolecall/harness/check"
	"rolecall/harness/cluster"
	"rolecall/harness/next"
)

// Options say how a run is made. The zero value is a learner's run.
type Options struct {
	Home     string       // rolecall's folder, for locks and compiled programs
	Use      Use          // of the cluster
	Observer Observer     // hears of the run; may be nil
	Recorder Recorder     // keeps evidence; may be nil
	Say      func(string) // announces decisions in a line each; may be nil
}

// Use is what a run may do with a cluster of ours.
type Use int

const (
	// Reuse takes the cluster as it is and leaves it for the next run.
	Reuse Use = iota
	// Fresh creates the cluster for this run and deletes it afterwards.
	Fresh
	// Renew takes the cluster that the last run handed on and proves that it is as
	// it was when new, or creates it. It hands it on where nothing odd happened.
	Renew
)

// Observer hears of a run as it goes on. Methods are called one at a time.
type Observer interface {
	// LabBegins hears of a lab before it is set up.
	LabBegins(Lab)
	// CheckBegins hears of a check before it runs or is skipped.
	CheckBegins(Check)
	// CheckEnds hears how a check went.
	CheckEnds(CheckResult)
	// LabEnds hears how a lab went, after what it created was deleted.
	LabEnds(LabResult)
}

// Recorder keeps what verdicts rest on, beside the result.
type Recorder interface {
	// Audit takes the API server's audit log as it comes.
	Audit() io.Writer
	// Begin is called when the cluster is up and no lab has begun.
	Begin(ctx context.Context, client kubernetes.Interface, namespaces []string) error
	// End is called after the last lab.
	End(ctx context.Context, labs []LabResult)
}

// ErrInterrupted is why a run that was cancelled has no result.
var ErrInterrupted = errors.New("interrupted; nothing was judged")

// leaves bounds what is done after an interruption: deleting a cluster.
const leaves = 2 * time.Minute

// Run runs labs on a submission, a directory, in a cluster: it waits until no
// other run uses the cluster, brings it up, runs each lab and deletes what it
// created, and sums up. An error means that nothing was judged; it is
// ErrInterrupted where ctx ended.
func Run(ctx context.Context, course Course, labs []Lab, c cluster.Cluster, submission string, o Options) (_ *Result, err error) {
	defer func() {
		if err != nil && ctx.Err() != nil {
			err = ErrInterrupted
		}
	}()
	files, err := check.OpenSubmission(submission, course.asked())
	if err != nil {
		return nil, err
	}
	defer files.Close()
	release, err := o.lock(ctx, c)
	if err != nil {
		return nil, err
	}
	defer release()

	result := &Result{StartedAt: time.Now().UTC(), Submission: submission}
	served, odd := 0, "nothing was judged on it"
	defer func() { err = errors.Join(err, o.leave(ctx, c, served+1, odd)) }()
	if served, err = o.enter(ctx, c); err != nil {
		return nil, err
	}
	s, err := open(ctx, course, c, files, o)
	if err != nil {
		return nil, err
	}
	defer s.close()
	result.Cluster = s.facts
	result.Cluster.Served = served
	if o.Recorder != nil {
		if err := o.Recorder.Begin(ctx, s.env.Client, c.Namespaces().Names()); err != nil {
			return nil, err
		}
		defer func() { o.Recorder.End(ctx, result.Labs) }()
	}
	for _, lab := range labs {
		result.Labs = append(result.Labs, s.lab(ctx, lab))
		if ctx.Err() != nil {
			return nil, ErrInterrupted
		}
	}
	result.Sum()
	odd = s.odd(result)
	return result, nil
}

// lock keeps other runs out of a cluster of ours. Elsewhere each run has
// namespaces of its own.
func (o Options) lock(ctx context.Context, c cluster.Cluster) (release func(), err error) {
	owned, ours := c.(cluster.Owned)
	if !ours {
		return func() {}, nil
	}
	return cluster.Lock(ctx, o.Home, owned, o.say)
}

func (o Options) say(line string) {
	if o.Say != nil {
		o.Say(line)
	}
}

// enter brings the cluster up in the state that the run asks for, and returns
// how many runs it has served.
func (o Options) enter(ctx context.Context, c cluster.Cluster) (served int, err error) {
	owned, ours := c.(cluster.Owned)
	if !ours || o.Use == Reuse {
		return 0, c.Up(ctx)
	}
	if o.Use == Renew {
		if served, taken := o.takeOver(ctx, owned); taken {
			return served, nil
		}
	}
	if err := owned.Down(ctx); err != nil { // of an earlier run that was killed
		return 0, err
	}
	return 0, owned.Up(ctx)
}

// takeOver takes the cluster that the last run handed on, if there is one and it
// is as new.
func (o Options) takeOver(ctx context.Context, c cluster.Owned) (served int, taken bool) {
	served, handedOn := c.TakeOver()
	if !handedOn || !c.Running(ctx) {
		return 0, false
	}
	err := c.Up(ctx)
	if err == nil {
		err = c.Renew(ctx, served)
	}
	if err != nil {
		o.say("replacing the cluster " + c.Name() + ": " + err.Error())
	}
	return served, err == nil
}

// leave ends the run's use of the cluster, also after an interruption. It has
// served that many runs now; odd says why it shall serve no other, or "".
func (o Options) leave(ctx context.Context, c cluster.Cluster, served int, odd string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaves)
	defer cancel()
	owned, ours := c.(cluster.Owned)
	switch {
	case !ours || o.Use == Reuse:
		return c.Leave(ctx)
	case o.Use == Renew && odd == "":
		return owned.HandOn(served)
	case o.Use == Renew:
		o.say("the cluster " + owned.Name() + " is not used again: " + odd)
	}
	return owned.Down(ctx)
}

// cleanup bounds what a lab does after it was interrupted.
const cleanup = 15 * time.Second

// lab runs one lab: set up, each check, clean up.
func (s *session) lab(ctx context.Context, lab Lab) LabResult {
	began := time.Now()
	s.observer.LabBegins(lab)
	broken := s.begin(ctx, lab)
	var checks []CheckResult
	for _, c := range lab.Checks {
		checks = append(checks, s.check(ctx, c, broken))
	}
	result := NewLabResult(lab, checks, 0)
	result.Missing = lab.Number > 0 && !s.env.Submission.Has(lab.Folder())
	if err := s.end(ctx); err != nil {
		result.Cleanup = err.Error()
	}
	result.DurationMs = time.Since(began).Milliseconds()
	s.observer.LabEnds(result)
	return result
}

// begin makes the cluster ready for a lab. Its error is ours, for every check.
func (s *session) begin(ctx context.Context, lab Lab) error {
	bounded, cancel := s.monitor.While(ctx)
	defer cancel()
	var err error
	if !s.swept {
		err = s.env.Sweep(bounded)
	}
	if err == nil && s.course.Before != nil {
		err = s.course.Before(bounded, s.env)
	}
	if err == nil && lab.Setup != nil {
		s.env.Begin(check.Setup, nil)
		err = guarded("setting up "+lab.Heading(), func() error { return lab.Setup(bounded, s.env) })
	}
	var failure *check.Failure
	if errors.As(err, &failure) { // nothing of the learner's has run yet
		return fmt.Errorf("setting up %s: %s", lab.Heading(), failure.Error())
	}
	return err
}

// end deletes what a lab created, also when ctx is over.
func (s *session) end(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanup)
	defer cancel()
	err := s.env.Sweep(ctx)
	s.swept = err == nil
	return err
}

// check runs one check, unless one that it needs did not pass or the lab is
// broken already.
func (s *session) check(ctx context.Context, c Check, broken error) CheckResult {
	s.observer.CheckBegins(c)
	began := time.Now()
	result := NewCheckResult(c)
	s.env.Begin(c.ID, c.Needs)
	if missing := s.unmet(c); broken == nil && missing != "" {
		result.Outcome, result.Error = Skipped, "builds on "+missing+", which did not pass"
		if s.outcomes[missing] == Error {
			result.Error = "builds on " + missing + ", which could not be checked"
		}
	} else {
		err := broken
		if err == nil {
			err = s.attempt(ctx, c)
		}
		result.settle(err)
	}
	result.Evidence = append(result.Evidence, s.env.Take()...)
	result.DurationMs = time.Since(began).Milliseconds()
	s.outcomes[c.ID] = result.Outcome
	s.observer.CheckEnds(result)
	return result
}

// unmet is the first check that c needs and that did not pass.
func (s *session) unmet(c Check) string {
	for _, id := range c.Needs {
		if s.outcomes[id] != Pass {
			return id
		}
	}
	return ""
}

// attempt runs a check. A failure found while the API server was away is no
// failure of the learner's.
func (s *session) attempt(ctx context.Context, c Check) error {
	began := time.Now()
	bounded, cancel := s.monitor.While(ctx)
	defer cancel()
	err := guarded("checking "+c.ID, func() error { return c.Run(bounded, s.env) })
	switch {
	case ctx.Err() != nil:
		return ErrInterrupted
	case err == nil:
		return nil
	}
	if s.diagnose != nil {
		if wrong := s.diagnose(); wrong != nil {
			return withheld(c, wrong, err)
		}
	}
	if missed := s.monitor.Missed(ctx, began); missed != nil {
		return fmt.Errorf("checking %s: no verdict, because the API server stopped responding during this check: %w", c.ID, missed)
	}
	if errors.Is(err, context.DeadlineExceeded) && next.Of(err) == "" {
		return next.Errorf("make status", "%w", err)
	}
	return err
}

// withheld is the error of a check that a fault of the cluster's broke, and
// which may have said something else because of it.
func withheld(c Check, fault, said error) error {
	if _, learners := check.AsFailure(said); learners {
		return fmt.Errorf("checking %s: no verdict: %w", c.ID, fault)
	}
	return fmt.Errorf("checking %s: %w (and so: %s)", c.ID, fault, said)
}

// guarded turns a panic into an error of ours.
func guarded(doing string, do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = next.Errorf("report it with this message", "%s: a defect in rolecall: %v", doing, p)
		}
	}()
	return do()
}
