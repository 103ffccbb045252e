package harness

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"rolecall/harness/check"
	"rolecall/harness/cluster"
)

// recorder is an Observer that remembers ids.
type recorder struct{ began, ended []string }

func (r *recorder) StepBegins(Step)         {}
func (r *recorder) CheckBegins(c Check)     { r.began = append(r.began, c.ID) }
func (r *recorder) CheckEnds(c CheckResult) { r.ended = append(r.ended, c.ID) }
func (r *recorder) StepEnds(StepResult)     {}

func newRunner() (*Runner, *recorder) {
	seen := &recorder{}
	client := fake.NewClientset()
	client.PrependReactor("create", "subjectaccessreviews", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, &authorizationv1.SubjectAccessReview{}, nil // denied
	})
	return &Runner{
		Env:      &check.Env{Client: client, Namespaces: cluster.Ours, Run: "run-test"},
		Observer: seen,
	}, seen
}

func answers(err error) func(context.Context, *check.Env) error {
	return func(context.Context, *check.Env) error { return err }
}

func TestRunStepKeepsTheFourOutcomesApart(t *testing.T) {
	runner, seen := newRunner()
	result := runner.RunStep(t.Context(), Step{Slug: "s", Checks: []Check{
		{ID: "s.passes", Points: 4, Run: answers(nil)},
		{ID: "s.fails", Points: 5, Run: answers(&check.Failure{Want: "w", Got: "g", Hint: "h"})},
		{ID: "s.breaks", Points: 6, Run: answers(errors.New("the disk is full"))},
		{ID: "s.builds-on-failure", Points: 5, Needs: []string{"s.passes", "s.fails"}, Run: answers(nil)},
		{ID: "s.builds-on-skipped", Needs: []string{"s.builds-on-failure"}, Run: answers(nil)},
		{ID: "s.builds-on-pass", Points: 1, Needs: []string{"s.passes", "other.lab"}, Run: answers(nil)},
	}})

	var outcomes []Outcome
	for _, c := range result.Checks {
		outcomes = append(outcomes, c.Outcome)
	}
	assert.Equal(t, []Outcome{Pass, Fail, Error, Skipped, Skipped, Pass}, outcomes)
	assert.Equal(t, Error, result.Outcome, "one check that could not be made leaves the step unjudged")
	assert.Equal(t, 5, result.Points)
	assert.Equal(t, 21, result.MaxPoints)
	assert.Equal(t, "g", result.Checks[1].Got)
	assert.Contains(t, result.Checks[2].Error, "disk is full")
	assert.Contains(t, result.Checks[3].Error, "s.fails")
	assert.Equal(t, seen.began, seen.ended)
	assert.Len(t, seen.ended, 6)
}

func TestRunCheckTurnsAPanicIntoOurError(t *testing.T) {
	runner, _ := newRunner()
	result := runner.RunCheck(t.Context(), Check{ID: "s.panics", Run: func(context.Context, *check.Env) error { panic("nil map") }}, nil)
	assert.Equal(t, Error, result.Outcome)
	assert.Contains(t, result.Error, "a defect in rolecall")
}

func TestRunCheckKeepsEvidenceWithItsCheck(t *testing.T) {
	runner, _ := newRunner()
	sees := func(text string) func(context.Context, *check.Env) error {
		return func(_ context.Context, e *check.Env) error {
			e.Saw(check.Evidence{Object: text})
			return nil
		}
	}
	first := runner.RunCheck(t.Context(), Check{ID: "s.first", Run: sees("one")}, nil)
	second := runner.RunCheck(t.Context(), Check{ID: "s.second", Run: sees("two")}, nil)
	assert.Equal(t, []check.Evidence{{Object: "one"}}, first.Evidence)
	assert.Equal(t, []check.Evidence{{Object: "two"}}, second.Evidence)
}

func TestABrokenSetupIsOursForEveryCheck(t *testing.T) {
	runner, _ := newRunner()
	result := runner.RunStep(t.Context(), Step{
		Setup:  answers(errors.New("no pods today")),
		Checks: []Check{{ID: "s.one", Run: answers(nil)}, {ID: "s.two", Needs: []string{"s.one"}, Run: answers(nil)}},
	})
	for _, c := range result.Checks {
		assert.Equal(t, Error, c.Outcome, c.ID)
	}
}

func TestInterruptedIsOurs(t *testing.T) {
	runner, _ := newRunner()
	ctx, cancel := context.WithCancel(t.Context())
	result := runner.RunCheck(ctx, Check{ID: "s.slow", Run: func(ctx context.Context, _ *check.Env) error {
		cancel()
		return &check.Failure{Got: "nothing yet"}
	}}, nil)
	assert.Equal(t, Error, result.Outcome)
	assert.Contains(t, result.Error, "interrupted")
}

func TestAFailureWhileTheClusterFaltersIsWithheld(t *testing.T) {
	runner, _ := newRunner()
	runner.Pulse = Watch(t.Context(), func(context.Context) error { return errors.New("connection refused") })
	result := runner.RunCheck(t.Context(), Check{ID: "s.fails", Run: answers(&check.Failure{Got: "no request"})}, nil)
	assert.Equal(t, Error, result.Outcome)
	assert.Contains(t, result.Error, "connection refused")
	assert.Empty(t, result.Got)
}

func TestACheckIsNotWaitedForOnceTheClusterIsLost(t *testing.T) {
	runner, _ := newRunner()
	runner.Pulse = Watch(t.Context(), func(context.Context) error { return errors.New("no route to host") })
	ended := make(chan CheckResult, 1)
	go func() {
		ended <- runner.RunCheck(t.Context(), Check{ID: "s.waits", Run: func(ctx context.Context, _ *check.Env) error {
			<-ctx.Done()
			return ctx.Err()
		}}, nil)
	}()
	select {
	case result := <-ended:
		assert.Equal(t, Error, result.Outcome)
	case <-time.After(time.Minute):
		require.Fail(t, "still waiting for a cluster that is gone")
	}
}

func TestExitStatus(t *testing.T) {
	for outcome, status := range map[Outcome]int{Pass: 0, Fail: 1, Skipped: 1, Error: 2, "": 2} {
		assert.Equal(t, status, (&Result{Outcome: outcome}).ExitStatus(), "outcome %q", outcome)
	}
}

func TestSumAddsUp(t *testing.T) {
	result := Result{Steps: []StepResult{{Outcome: Pass, Points: 20, MaxPoints: 20}, {Outcome: Fail, Points: 13, MaxPoints: 20}}}
	result.Sum()
	assert.Equal(t, Fail, result.Outcome)
	assert.Equal(t, 33, result.Points)
	assert.Equal(t, 40, result.MaxPoints)
	assert.Equal(t, SchemaVersion, result.Schema)
}
