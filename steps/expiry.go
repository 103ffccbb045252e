package steps

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"rolecall/harness"
	"rolecall/harness/check"
)

// Expiry is lab 9: a program that outlives its tokens.
func Expiry() harness.Lab {
	return harness.Lab{
		Slug: "expiry", Number: 9, Title: "Outliving a token",
		Files: []check.File{{Name: "agent", Form: check.ProgramFile}},
		Makes: []schema.GroupVersionKind{secretKind},
		Setup: expirySetup,
		Checks: []harness.Check{
			{ID: "expiry.calls", Points: 4, Run: expiryCalls,
				Desc: "at least 3 requests in 5 s and at most 5 a second, with the pod's own token"},
			{ID: "expiry.rotates", Points: 4, Run: expiryRotates, Needs: []string{"expiry.calls"},
				Desc: "the token is replaced, and a little later the old one revoked: within 15 s the new one is used and answered"},
			{ID: "expiry.revoked", Points: 4, Run: expiryRevoked, Needs: []string{"expiry.rotates"},
				Desc: "with no good token in place it prints 401 and goes on, with at most 5 requests a second"},
			{ID: "expiry.recovers", Points: 4, Run: expiryRecovers, Needs: []string{"expiry.revoked"},
				Desc: "with a good token in place again, calls are answered within 5 s, without a restart"},
			{ID: "expiry.stops", Points: 4, Run: expiryStops, Needs: []string{"expiry.calls"},
				Desc: "SIGTERM ends it within 2 s with exit status 0"},
		},
	}
}

const (
	agentCalls   = 5 * time.Second // in which there are at least
	agentAtLeast = 3               // calls
	agentSpan    = 2 * time.Second // in which there are at most
	agentAtMost  = 12              // calls: 5 a second, and two, since a span has two ends

	agentNotices  = 2 * time.Second  // for which both tokens are good; a kubelet leaves two minutes at least
	agentRotates  = 15 * time.Second // what the API server remembers, and some calls
	agentRecovers = 5 * time.Second
	agentStops    = 2 * time.Second

	// client-go reads the token file again every 50 s, whatever it is answered
	// (transport.NewCachedFileTokenSource). That is good enough.
	clientGoReads = 55 * time.Second
)

// agent is the one run of the program that the checks share.
type agent struct {
	pod     *check.Caller
	program *check.Program
	running *check.Running
	token   *check.Issued // the good one, which is in place
	patient bool          // with client-go, which takes its time
}

// within is how long to wait for the program to look into the file again.
func (a *agent) within(usual time.Duration) time.Duration {
	if a.patient {
		return max(usual, clientGoReads)
	}
	return usual
}

func expirySetup(ctx context.Context, e *check.Env) (err error) {
	a := &agent{}
	if err := startCallers(ctx, e, start{&a.pod, Home, check.Replaceable}); err != nil {
		return err
	}
	e.Keep(a)
	return a.renew(ctx, e)
}

// renew puts another good token in place; the one before stays good.
func (a *agent) renew(ctx context.Context, e *check.Env) (err error) {
	if a.token, err = e.IssueToken(ctx, e.Namespaces.Of(Home), "default"); err != nil {
		return err
	}
	return e.ReplaceToken(ctx, a.pod, a.token)
}

// start starts the program.
func (a *agent) start(ctx context.Context, e *check.Env) (err error) {
	a.running, err = e.StartIn(ctx, a.pod, a.program)
	return err
}

// observe returns the program's calls since do began, as soon as they are enough
// or show that they never will be: there are too many, or the program has ended.
func (a *agent) observe(ctx context.Context, e *check.Env, within time.Duration, do func() error, enough func(check.Requests) bool) (check.Requests, error) {
	calls := func(seen check.Requests) check.Requests {
		return seen.From(a.pod.IP).Lists("services", e.Namespaces.Of(Home))
	}
	var ended error // by itself
	seen, err := e.Observe(ctx, within, do, func(seen check.Requests) bool {
		ended = a.running.GoesOn()
		return enough(calls(seen)) || seen.From(a.pod.IP).Most(agentSpan) > agentAtMost || ended != nil
	})
	if err != nil {
		return nil, err
	}
	e.Saw(seen.From(a.pod.IP).Evidence()...)
	if seen.From(a.pod.IP).Most(agentSpan) > agentAtMost {
		return nil, &check.Failure{
			Want: "at most 5 requests a second",
			Got:  fmt.Sprintf("more than %d within %g s", agentAtMost, agentSpan.Seconds()),
			Hint: "Wait after each request, however it was answered, for about a second.", Position: a.program.Position(),
		}
	}
	if failure, learners := check.AsFailure(ended); learners && len(calls(seen).Answered(401)) > 0 {
		failure.Hint = "401 says that the token is not good now, and the next one may be in the file already: go on calling."
	}
	return calls(seen), ended
}

func (a *agent) fail(want, got, hint string) error {
	return &check.Failure{Want: want, Got: got, Hint: hint, Position: a.program.Position()}
}

func expiryCalls(ctx context.Context, e *check.Env) (err error) {
	a := check.Need[*agent](e, check.Setup)
	if a.program, err = e.Program(ctx, "lab-9", "agent"); err != nil {
		return err
	}
	var began time.Time
	calls, err := a.observe(ctx, e, agentCalls, func() error { began = time.Now(); return a.start(ctx, e) }, func(calls check.Requests) bool {
		return len(calls.WithToken(a.token.Token)) >= agentAtLeast && time.Since(began) >= agentSpan
	})
	if err != nil {
		return e.Submission.Explain(err, a.program.Name)
	}
	if len(calls.WithToken(a.token.Token)) < agentAtLeast {
		return e.Submission.Explain(a.fail(
			fmt.Sprintf("in %g s at least %d times list services in %s, with the token in %s", agentCalls.Seconds(), agentAtLeast, e.Namespaces.Of(Home), check.ServiceAccountPath),
			a.fewer(calls), "Make the call of lab 3 in a loop, about once a second, with the token that is in the file at that moment."), a.program.Name)
	}
	a.patient = strings.Contains(calls[0].UserAgent, " kubernetes/") // as client-go calls itself
	e.Keep(a)
	return nil
}

// fewer says how many calls there were, where there were not enough.
func (a *agent) fewer(calls check.Requests) string {
	switch own := calls.WithToken(a.token.Token); {
	case len(calls) == 0:
		return "none"
	case len(own) == 0:
		return "calls without that token: " + calls.Summary()
	default:
		return fmt.Sprintf("%d: %s", len(own), own.Summary())
	}
}

func expiryRotates(ctx context.Context, e *check.Env) error {
	a := check.Need[*agent](e, "expiry.calls")
	old := a.token
	usesNew := func(calls check.Requests) bool { return len(answered(calls.WithToken(a.token.Token))) > 0 }
	if _, err := a.observe(ctx, e, agentNotices, func() error { return a.renew(ctx, e) }, usesNew); err != nil {
		return err
	}
	calls, err := a.observe(ctx, e, a.within(agentRotates), func() error { return e.Revoke(ctx, old) }, usesNew)
	if err != nil {
		return err
	}
	if !usesNew(calls) {
		return a.fail(fmt.Sprintf("within %g s after the old token was revoked: a call with the new one, which is in the file", a.within(agentRotates).Seconds()),
			"none", "The file changes while the program runs: read it again for each call, or at least when a call is answered 401.")
	}
	e.Keep(a)
	return nil
}

// answered are the calls of a caller whom the server knew.
func answered(calls check.Requests) (known check.Requests) {
	for _, r := range calls {
		if r.Code != 401 {
			known = append(known, r)
		}
	}
	return known
}

func expiryRevoked(ctx context.Context, e *check.Env) error {
	a := check.Need[*agent](e, "expiry.rotates")
	last := a.token
	began := time.Now()
	dead := func() error { // it was revoked before the server ever saw it, so nothing is remembered of it
		err := a.spoil(ctx, e)
		if err != nil {
			return err
		}
		return e.Revoke(ctx, last)
	}
	var first time.Time // that a call was refused
	calls, err := a.observe(ctx, e, check.TokenRemembered+agentCalls, dead, func(calls check.Requests) bool {
		refused := len(calls.Answered(401))
		if refused > 0 && first.IsZero() {
			first = time.Now()
		}
		return refused > 1 && time.Since(first) >= agentSpan || refused > 0 && time.Since(first) >= agentCalls
	})
	if err != nil {
		return err
	}
	const want = "with no good token in place: calls that go on and are answered 401, and 401 on a line of stdout"
	switch refused := len(calls.Answered(401)); {
	case refused == 0:
		return a.fail(want, "no call that was answered 401", "Go on calling with the token that is in the file, whether or not it is good.")
	case refused == 1:
		return a.fail(want, "one call that was answered 401, and then none", "A token that is refused now may be replaced in a second: go on calling.")
	}
	printed, err := a.prints(ctx, "401", began)
	if err == nil && !printed {
		err = a.fail(want, "no such line", "Print the status code of each answer, also when it is 401: three digits on a line of their own.")
	}
	e.Keep(a)
	return err
}

// spoil puts a token in place that has ended.
func (a *agent) spoil(ctx context.Context, e *check.Env) error {
	dead, err := e.IssueToken(ctx, e.Namespaces.Of(Home), "default")
	if err != nil {
		return err
	}
	if err := e.Revoke(ctx, dead); err != nil {
		return err
	}
	return e.ReplaceToken(ctx, a.pod, dead)
}

// prints reports whether the program prints that line, or did so since.
func (a *agent) prints(ctx context.Context, text string, since time.Time) (bool, error) {
	return a.running.Await(ctx, agentStops, func(lines []check.Line) bool {
		for _, line := range lines {
			if line.Text == text && line.At.After(since) {
				return true
			}
		}
		return false
	})
}

func expiryRecovers(ctx context.Context, e *check.Env) error {
	a := check.Need[*agent](e, "expiry.revoked")
	began := time.Now()
	calls, err := a.observe(ctx, e, a.within(agentRecovers), func() error { return a.renew(ctx, e) }, func(calls check.Requests) bool {
		return len(answered(calls.WithToken(a.token.Token))) > 0
	})
	if err != nil {
		return err
	}
	want := fmt.Sprintf("within %g s after a good token is in the file: a call with it, and the code of its answer on a line of stdout", a.within(agentRecovers).Seconds())
	good := answered(calls.WithToken(a.token.Token))
	if len(good) == 0 {
		return a.fail(want, "no call with it", "After 401, read the file again before each call, however often that was in vain, and do not wait for longer than some seconds.")
	}
	printed, err := a.prints(ctx, strconv.Itoa(int(good[0].Code)), began)
	if err == nil && !printed {
		err = a.fail(want, "no such line", "Print the status code of each answer, whatever it is: three digits on a line of their own.")
	}
	return err
}

// expiryStops asks the program to end. One that has ended by itself, which
// another check tells of, is started once more.
func expiryStops(ctx context.Context, e *check.Env) error {
	a := check.Need[*agent](e, "expiry.calls")
	if a.running.GoesOn() != nil {
		if err := a.renew(ctx, e); err != nil {
			return err
		}
		if _, err := a.observe(ctx, e, agentCalls, func() error { return a.start(ctx, e) }, func(calls check.Requests) bool { return len(calls) > 0 }); err != nil {
			return err
		}
	}
	run, err := a.running.Stop(ctx, agentStops)
	if err != nil {
		return err
	}
	return run.Stopped(agentStops)
}
