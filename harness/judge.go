package harness

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rolecall/harness/check"
	"rolecall/harness/next"
)

// cleanup bounds what a lab does after it was interrupted.
const cleanup = 15 * time.Second

// lab runs one lab: set up, each check, clean up.
func (s *Session) lab(ctx context.Context, lab Lab) LabResult {
	began := time.Now()
	s.observer.LabBegins(lab)
	s.only = s.env.Submission.Only(lab.Folder())
	s.env.Creates = nil
	if lab.Number > 0 {
		s.env.Creates = lab.Kinds()
	}
	broken := s.begin(ctx, lab)
	var checks []CheckResult
	for _, c := range lab.Checks {
		checks = append(checks, s.check(ctx, c, broken))
	}
	result := NewLabResult(lab, checks, 0)
	result.Missing = lab.Number > 0 && !s.env.Submission.Has(lab.Folder())
	result.Deeds = s.env.Deeds(ctx)
	if err := s.end(ctx); err != nil {
		result.Cleanup = err.Error()
	}
	result.DurationMs = time.Since(began).Milliseconds()
	s.observer.LabEnds(result)
	return result
}

// begin makes the cluster ready for a lab. Its error is ours, for every check.
func (s *Session) begin(ctx context.Context, lab Lab) error {
	bounded, cancel := s.monitor.While(ctx)
	defer cancel()
	attended := make(chan struct{})
	go func() {
		defer close(attended)
		s.env.Attend(bounded)
	}()
	var err error
	if !s.swept {
		err = s.env.SweepOthers(bounded)
	}
	if err == nil && s.course.Before != nil {
		err = s.course.Before(bounded, s.env)
	}
	<-attended
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
func (s *Session) end(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanup)
	defer cancel()
	err := s.env.Sweep(ctx)
	s.swept = err == nil
	return err
}

// check runs one check, unless one that it needs did not pass or the lab is
// broken already.
func (s *Session) check(ctx context.Context, c Check, broken error) CheckResult {
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
		result.settle(err, s.only)
	}
	result.Evidence = append(result.Evidence, s.env.Take()...)
	result.DurationMs = time.Since(began).Milliseconds()
	s.outcomes[c.ID] = result.Outcome
	s.observer.CheckEnds(result)
	return result
}

// unmet is the first check that c needs and that did not pass.
func (s *Session) unmet(c Check) string {
	for _, id := range c.Needs {
		if s.outcomes[id] != Pass {
			return id
		}
	}
	return ""
}

// attempt runs a check. A failure found while the API server was away is no
// failure of the learner's.
func (s *Session) attempt(ctx context.Context, c Check) error {
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
