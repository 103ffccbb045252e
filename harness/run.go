package harness

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"rolecall/harness/check"
)

// Observer hears of a run as it goes on. Methods are called one at a time.
type Observer interface {
	// StepBegins hears of a step before it is set up.
	StepBegins(Step)
	// CheckBegins hears of a check before it runs or is skipped.
	CheckBegins(Check)
	// CheckEnds hears how a check went.
	CheckEnds(CheckResult)
	// StepEnds hears how a step went, after the place was cleaned.
	StepEnds(StepResult)
}

// cleanup bounds what a run does after it was interrupted.
const cleanup = 15 * time.Second

// Runner runs steps on one submission in one cluster.
type Runner struct {
	Env      *check.Env
	Observer Observer
	Pulse    *Pulse

	outcomes map[string]Outcome
}

// Run runs the steps in order. It ends early only when ctx does; then what is
// left is an Error, and the place is cleaned all the same.
func (r *Runner) Run(ctx context.Context, steps []Step) []StepResult {
	var results []StepResult
	for _, step := range steps {
		results = append(results, r.RunStep(ctx, step))
	}
	return results
}

// RunStep runs one step: set up, each check, clean.
func (r *Runner) RunStep(ctx context.Context, step Step) StepResult {
	began := time.Now()
	r.Observer.StepBegins(step)
	broken := r.Begin(ctx, step)
	var checks []CheckResult
	for _, c := range step.Checks {
		checks = append(checks, r.RunCheck(ctx, c, broken))
	}
	if err := r.End(ctx); err != nil && len(checks) > 0 { // what cannot be left clean was not checked cleanly
		if last := &checks[len(checks)-1]; last.Outcome != Error {
			last.Outcome, last.Points, last.Error = Error, 0, err.Error()
		}
	}
	result := NewStepResult(step, checks, time.Since(began))
	r.Observer.StepEnds(result)
	return result
}

// Begin makes the place ready for a step. Its error is ours, for every check.
func (r *Runner) Begin(ctx context.Context, step Step) error {
	bounded, cancel := r.Pulse.While(ctx)
	defer cancel()
	if err := check.StartsClean(bounded, r.Env); err != nil {
		return err
	}
	if step.Setup == nil {
		return nil
	}
	return step.Setup(bounded, r.Env)
}

// End takes away what a step made, also when ctx is over.
func (r *Runner) End(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanup)
	defer cancel()
	return r.Env.Clean(ctx)
}

// RunCheck runs one check, unless one that it needs did not pass or the step
// is broken already.
func (r *Runner) RunCheck(ctx context.Context, c Check, broken error) CheckResult {
	r.Observer.CheckBegins(c)
	began := time.Now()
	result := CheckResult{
		ID: c.ID, Desc: c.Desc, MaxPoints: c.Points,
		Needs: append([]string{}, c.Needs...), Evidence: []check.Evidence{},
	}
	r.Env.Take() // what Setup saw belongs to no check
	if missing := r.unmet(c); broken == nil && missing != "" {
		result.Outcome, result.Error = Skipped, "builds on "+missing+", which did not pass"
	} else {
		err := broken
		if err == nil {
			err = r.attempt(ctx, c)
		}
		result.settle(err)
	}
	result.Evidence = append(result.Evidence, r.Env.Take()...)
	result.DurationMs = time.Since(began).Milliseconds()
	if r.outcomes == nil {
		r.outcomes = map[string]Outcome{}
	}
	r.outcomes[c.ID] = result.Outcome
	r.Observer.CheckEnds(result)
	return result
}

// unmet is the first check that c needs and that ran and did not pass. A check
// that is no part of this run holds nothing up.
func (r *Runner) unmet(c Check) string {
	i := slices.IndexFunc(c.Needs, func(id string) bool {
		outcome, ran := r.outcomes[id]
		return ran && outcome != Pass
	})
	if i < 0 {
		return ""
	}
	return c.Needs[i]
}

// attempt runs a check. A failure found while the API server was away is no
// failure of the learner's, and a panic is a defect of ours.
func (r *Runner) attempt(ctx context.Context, c Check) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("checking %s: a defect in rolecall: %v; please report it", c.ID, p)
		}
	}()
	began := time.Now()
	bounded, cancel := r.Pulse.While(ctx)
	defer cancel()
	err = c.Run(bounded, r.Env)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("checking %s: interrupted", c.ID)
	case err == nil:
		return nil
	}
	if missed := r.Pulse.Missed(ctx, began); missed != nil {
		return fmt.Errorf("checking %s: the verdict is withheld because the cluster faltered meanwhile: %w", c.ID, missed)
	}
	return err
}

// settle turns what a check returned into its outcome.
func (c *CheckResult) settle(err error) {
	failure, learners := check.AsFailure(err)
	switch {
	case err == nil:
		c.Outcome, c.Points = Pass, c.MaxPoints
	case learners:
		c.Outcome, c.Want, c.Got, c.Hint = Fail, failure.Want, failure.Got, failure.Hint
	default:
		c.Outcome, c.Error = Error, err.Error()
		if errors.Is(err, context.DeadlineExceeded) && !strings.Contains(c.Error, "make ") {
			c.Error += "; type make status"
		}
	}
}

// NewStepResult sums up a step's checks.
func NewStepResult(step Step, checks []CheckResult, took time.Duration) StepResult {
	result := StepResult{Slug: step.Slug, Lab: step.Lab, Title: step.Title, Checks: checks, DurationMs: took.Milliseconds()}
	for _, c := range checks {
		result.Outcome = worse(result.Outcome, c.Outcome)
		result.Points += c.Points
		result.MaxPoints += c.MaxPoints
	}
	return result
}

// Sum completes a result from its steps.
func (r *Result) Sum() {
	r.Schema, r.DurationMs = SchemaVersion, time.Since(r.StartedAt).Milliseconds()
	r.Outcome, r.Points, r.MaxPoints = "", 0, 0
	for _, step := range r.Steps {
		r.Outcome = worse(r.Outcome, step.Outcome)
		r.Points += step.Points
		r.MaxPoints += step.MaxPoints
	}
}
