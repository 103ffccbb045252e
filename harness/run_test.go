package harness

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/rest"

	"rolecall/harness/check"
	"rolecall/harness/cluster"
	"rolecall/harness/inventory"
	"rolecall/harness/next"
)

// heard is an Observer that remembers ids.
type heard struct {
	began, ended []string
	labs         []LabResult
}

func (h *heard) LabBegins(Lab)           {}
func (h *heard) CheckBegins(c Check)     { h.began = append(h.began, c.ID) }
func (h *heard) CheckEnds(c CheckResult) { h.ended = append(h.ended, c.ID) }
func (h *heard) LabEnds(l LabResult)     { h.labs = append(h.labs, l) }

// newSession is a session on no cluster, for labs that ask for none.
func newSession(t *testing.T) (*Session, *heard) {
	files, err := check.OpenSubmission(t.TempDir(), nil)
	require.NoError(t, err)
	t.Cleanup(func() { files.Close() })
	seen := &heard{}
	return &Session{
		env:      &check.Env{Submission: files, Run: "run-test"},
		observer: seen, outcomes: map[string]Outcome{},
	}, seen
}

func answers(err error) func(context.Context, *check.Env) error {
	return func(context.Context, *check.Env) error { return err }
}

func outcomes(checks []CheckResult) (all []Outcome) {
	for _, c := range checks {
		all = append(all, c.Outcome)
	}
	return all
}

func TestLabKeepsTheFourOutcomesApart(t *testing.T) {
	s, seen := newSession(t)
	result := s.lab(t.Context(), Lab{Slug: "s", Checks: []Check{
		{ID: "s.passes", Points: 4, Run: answers(nil)},
		{ID: "s.fails", Points: 5, Run: answers(&check.Failure{Want: "w", Got: "g", Hint: "h"})},
		{ID: "s.breaks", Points: 6, Run: answers(next.Errorf("free some disk space", "the disk is full"))},
		{ID: "s.builds-on-failure", Points: 5, Needs: []string{"s.passes", "s.fails"}, Run: answers(nil)},
		{ID: "s.builds-on-skipped", Needs: []string{"s.builds-on-failure"}, Run: answers(nil)},
		{ID: "s.builds-on-pass", Points: 1, Needs: []string{"s.passes"}, Run: answers(nil)},
		{ID: "s.builds-on-nothing-that-ran", Needs: []string{"other.lab"}, Run: answers(nil)},
	}})
	assert.Equal(t, []Outcome{Pass, Fail, Error, Skipped, Skipped, Pass, Skipped}, outcomes(result.Checks))
	assert.Equal(t, Error, result.Outcome, "one check that could not be made leaves the lab unjudged")
	assert.Equal(t, 5, result.Points)
	assert.Equal(t, 21, result.MaxPoints)
	assert.Equal(t, "g", result.Checks[1].Got)
	assert.Equal(t, "the disk is full", result.Checks[2].Error)
	assert.Equal(t, "free some disk space", result.Checks[2].Next)
	assert.Contains(t, result.Checks[3].Error, "s.fails")
	assert.Equal(t, seen.began, seen.ended)
	assert.Len(t, seen.ended, 7)
	assert.Equal(t, []LabResult{result}, seen.labs)
}

func TestWhatACheckKeepsReachesThoseThatNeedIt(t *testing.T) {
	s, _ := newSession(t)
	result := s.lab(t.Context(), Lab{Slug: "s",
		Setup: func(_ context.Context, e *check.Env) error { e.Keep("pod"); return nil },
		Checks: []Check{
			{ID: "s.first", Run: func(_ context.Context, e *check.Env) error {
				e.Keep(check.Need[string](e, check.Setup) + " ran")
				return nil
			}},
			{ID: "s.second", Needs: []string{"s.first"}, Run: func(_ context.Context, e *check.Env) error {
				return &check.Failure{Got: check.Need[string](e, "s.first")}
			}},
			{ID: "s.third", Run: func(_ context.Context, e *check.Env) error {
				check.Need[string](e, "s.first")
				return nil
			}},
			{ID: "s.fourth", Needs: []string{"s.first"}, Run: func(_ context.Context, e *check.Env) error {
				check.Need[int](e, "s.first")
				return nil
			}},
		}})
	assert.Equal(t, "pod ran", result.Checks[1].Got)
	assert.Equal(t, []Outcome{Pass, Fail, Error, Error}, outcomes(result.Checks))
	assert.Contains(t, result.Checks[2].Error, "s.third uses what s.first found and does not need it")
	assert.Contains(t, result.Checks[3].Error, "kept a string")
}

func TestAPanicIsOurError(t *testing.T) {
	s, _ := newSession(t)
	panics := func(context.Context, *check.Env) error { panic("nil map") }
	result := s.check(t.Context(), Check{ID: "s.panics", Run: panics}, nil)
	assert.Equal(t, Error, result.Outcome)
	assert.Contains(t, result.Error, "a defect in rolecall")

	lab := s.lab(t.Context(), Lab{Slug: "s", Setup: panics, Checks: []Check{{ID: "s.one", Run: answers(nil)}}})
	assert.Equal(t, Error, lab.Outcome, "in a setup too")
	assert.Contains(t, lab.Checks[0].Error, "a defect in rolecall")
}

func TestEvidenceStaysWithItsCheck(t *testing.T) {
	s, _ := newSession(t)
	sees := func(text string) func(context.Context, *check.Env) error {
		return func(_ context.Context, e *check.Env) error {
			e.Saw(check.Evidence{Object: text})
			return nil
		}
	}
	result := s.lab(t.Context(), Lab{Slug: "s", Setup: sees("none"), Checks: []Check{{ID: "s.first", Run: sees("one")}, {ID: "s.second", Run: sees("two")}}})
	assert.Equal(t, []check.Evidence{{Object: "one"}}, result.Checks[0].Evidence)
	assert.Equal(t, []check.Evidence{{Object: "two"}}, result.Checks[1].Evidence)
}

func TestABrokenSetupIsOursForEveryCheck(t *testing.T) {
	for name, err := range map[string]error{"ours": errors.New("no pods today"), "a failure, before anything of the learner's ran": &check.Failure{Want: "w", Got: "g"}} {
		t.Run(name, func(t *testing.T) {
			s, _ := newSession(t)
			result := s.lab(t.Context(), Lab{Setup: answers(err), Checks: []Check{{ID: "s.one", Run: answers(nil)}, {ID: "s.two", Needs: []string{"s.one"}, Run: answers(nil)}}})
			assert.Equal(t, []Outcome{Error, Error}, outcomes(result.Checks))
		})
	}
}

func TestAFailureWhileTheAPIServerIsAwayIsWithheld(t *testing.T) {
	s, _ := newSession(t)
	s.monitor = Watch(t.Context(), func(context.Context) error { return errors.New("connection refused") })
	result := s.check(t.Context(), Check{ID: "s.fails", Run: answers(&check.Failure{Got: "no request"})}, nil)
	assert.Equal(t, Error, result.Outcome)
	assert.Contains(t, result.Error, "connection refused")
	assert.Equal(t, "make status, then make up", result.Next)
	assert.Empty(t, result.Got)
}

// TestWhatIsWrongWithTheClusterIsSaid has a full disk break a check, and make a
// learner's work look wrong.
func TestWhatIsWrongWithTheClusterIsSaid(t *testing.T) {
	for name, err := range map[string]error{
		"an error":  next.Errorf("make status", "asking for a mark: it failed"),
		"a failure": &check.Failure{Got: "no request"},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := newSession(t)
			s.diagnose = func() error { return next.Errorf("free some disk space", "the disk is full") }
			result := s.check(t.Context(), Check{ID: "s.breaks", Run: answers(err)}, nil)
			assert.Equal(t, Error, result.Outcome)
			assert.Contains(t, result.Error, "the disk is full")
			assert.Equal(t, "free some disk space", result.Next)
			assert.Empty(t, result.Got)
			result = s.check(t.Context(), Check{ID: "s.passes", Run: answers(nil)}, nil)
			assert.Equal(t, Pass, result.Outcome)
		})
	}
}

func TestACheckIsNotWaitedForOnceTheClusterIsLost(t *testing.T) {
	s, _ := newSession(t)
	s.monitor = Watch(t.Context(), func(context.Context) error { return errors.New("no route to host") })
	ended := make(chan CheckResult, 1)
	go func() {
		ended <- s.check(t.Context(), Check{ID: "s.waits", Run: func(ctx context.Context, _ *check.Env) error {
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

// fakeCluster is a cluster of ours that remembers what was asked of it.
type fakeCluster struct {
	calls    []string
	up       func() error
	handedOn bool
	renew    error
	down     error
}

func (f *fakeCluster) Provider() string                              { return "fake" }
func (f *fakeCluster) Name() string                                  { return "test" }
func (f *fakeCluster) Exists() bool                                  { return true }
func (f *fakeCluster) Running(context.Context) bool                  { return true }
func (f *fakeCluster) Status(context.Context) (string, error)        { return "", nil }
func (f *fakeCluster) Baseline() ([]inventory.Object, error)         { return nil, nil }
func (f *fakeCluster) Kubeconfig() string                            { return "" }
func (f *fakeCluster) Config() *rest.Config                          { return &rest.Config{Host: "http://127.0.0.1:1"} }
func (f *fakeCluster) Namespaces() cluster.Namespaces                { return nil }
func (f *fakeCluster) WriteKubeconfig(context.Context, string) error { return nil }
func (f *fakeCluster) Logs(context.Context, string) error            { return nil }
func (f *fakeCluster) Leave(context.Context) error                   { f.calls = append(f.calls, "leave"); return nil }
func (f *fakeCluster) Up(context.Context) error                      { f.calls = append(f.calls, "up"); return f.up() }
func (f *fakeCluster) Down(context.Context) error                    { f.calls = append(f.calls, "down"); return f.down }
func (f *fakeCluster) Reset(context.Context, func(inventory.Object)) error {
	f.calls = append(f.calls, "reset")
	return nil
}
func (f *fakeCluster) HandOn(served int) error {
	f.calls = append(f.calls, fmt.Sprint("hand on ", served))
	return nil
}
func (f *fakeCluster) TakeOver() (int, bool) { return 4, f.handedOn }
func (f *fakeCluster) Renew(_ context.Context, served int) error {
	f.calls = append(f.calls, fmt.Sprint("renew ", served))
	return f.renew
}

func TestRunEndsWhatItBegan(t *testing.T) {
	broken := errors.New("no disk")
	for name, test := range map[string]struct {
		use   Use
		calls []string
	}{
		"reuse": {Reuse, []string{"up", "leave"}},
		"fresh": {Fresh, []string{"down", "up", "down"}},
		"renew": {Renew, []string{"down", "up", "down"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := &fakeCluster{up: func() error { return broken }}
			_, err := Run(t.Context(), Course{}, nil, c, t.TempDir(), Options{Home: t.TempDir(), Use: test.use})
			require.ErrorIs(t, err, broken)
			assert.Equal(t, test.calls, c.calls)
		})
	}
}

// TestRenewTakesOverWhatWasProved: a cluster that was handed on is used again if
// it is as new, and otherwise replaced.
func TestRenewTakesOverWhatWasProved(t *testing.T) {
	for name, test := range map[string]struct {
		handedOn bool
		renew    error
		calls    []string
		served   int
		says     string
	}{
		"none was handed on": {calls: []string{"down", "up"}},
		"as new":             {handedOn: true, calls: []string{"up", "renew 4"}, served: 4},
		"a pod is left": {handedOn: true, renew: errors.New("a pod is left"), calls: []string{"up", "renew 4", "down", "up"},
			says: "replacing the cluster test: a pod is left"},
	} {
		t.Run(name, func(t *testing.T) {
			c := &fakeCluster{handedOn: test.handedOn, renew: test.renew, up: func() error { return nil }}
			said := ""
			o := Options{Use: Renew, Say: func(line string) { said = line }}
			served, err := o.enter(t.Context(), c)
			require.NoError(t, err)
			assert.Equal(t, test.served, served)
			assert.Equal(t, test.calls, c.calls)
			assert.Equal(t, test.says, said)
		})
	}
}

// TestOnlyWhatIsOrdinaryIsHandedOn: after anything odd the cluster goes.
func TestOnlyWhatIsOrdinaryIsHandedOn(t *testing.T) {
	for odd, calls := range map[string][]string{"": {"hand on 5"}, "a program did not end": {"down"}} {
		c := &fakeCluster{}
		require.NoError(t, Options{Use: Renew}.leave(t.Context(), c, 5, odd))
		assert.Equal(t, calls, c.calls, odd)
	}
}

func TestWhatIsOdd(t *testing.T) {
	s, _ := newSession(t)
	passed := LabResult{Number: 1, Title: "A pod", Outcome: Pass}
	for says, lab := range map[string]LabResult{
		"": passed,
		"a check of Lab 2: A token ended in an error": {Number: 2, Title: "A token", Outcome: Error},
		"deleting what the lab created: still there":  {Number: 3, Outcome: Fail, Cleanup: "deleting what the lab created: still there"},
	} {
		assert.Equal(t, says, s.odd(&Result{Labs: []LabResult{passed, lab}}))
	}
}

func TestRunOpensTheSubmissionBeforeTheCluster(t *testing.T) {
	c := &fakeCluster{}
	_, err := Run(t.Context(), Course{}, nil, c, t.TempDir()+"/nothing", Options{Home: t.TempDir()})
	require.Error(t, err)
	assert.NotEmpty(t, next.Of(err))
	assert.Empty(t, c.calls)
}

func TestAnInterruptedRunHasNoResult(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := &fakeCluster{up: func() error { cancel(); return errors.New("controller.go:42: context canceled") }}
	result, err := Run(ctx, Course{}, nil, c, t.TempDir(), Options{Home: t.TempDir()})
	assert.Equal(t, ErrInterrupted, err)
	assert.Nil(t, result)
	assert.Equal(t, []string{"up", "leave"}, c.calls)
}

func TestAClusterThatCannotBeLeftIsAnErrorBesideTheResult(t *testing.T) {
	c := &fakeCluster{up: func() error { return errors.New("no disk") }, down: errors.New("the engine is gone")}
	_, err := Run(t.Context(), Course{}, nil, c, t.TempDir(), Options{Home: t.TempDir(), Use: Fresh})
	assert.ErrorContains(t, err, "the engine is gone")
}

func TestExitStatus(t *testing.T) {
	for outcome, status := range map[Outcome]int{Pass: 0, Fail: 1, Skipped: 1, Error: 2, "": 2} {
		assert.Equal(t, status, (&Result{Outcome: outcome}).ExitStatus(), "outcome %q", outcome)
	}
}

func TestSumAddsUp(t *testing.T) {
	result := Result{Labs: []LabResult{{Outcome: Pass, Points: 20, MaxPoints: 20}, {Outcome: Fail, Points: 13, MaxPoints: 20}}}
	result.Sum()
	assert.Equal(t, Fail, result.Outcome)
	assert.Equal(t, 33, result.Points)
	assert.Equal(t, 40, result.MaxPoints)
	assert.Equal(t, SchemaVersion, result.Schema)
}
