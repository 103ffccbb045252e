package steps

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"rolecall/harness"
	"rolecall/harness/check"
)

// Forbidden is lab 3: the refusal, as a program reports it and as a person
// reads it.
func Forbidden() harness.Step {
	s := &forbidden{}
	return harness.Step{
		Slug: "forbidden", Lab: 3, Title: "Reading the 403",
		Setup: s.setup,
		Checks: []harness.Check{
			{ID: "forbidden.observed", Points: 4, Run: s.observed,
				Desc: "the API server refused list services in default to this pod's service account with 403"},
			{ID: "forbidden.reported", Points: 4, Run: s.reported, Needs: []string{"forbidden.observed"},
				Desc: "the program says so: first line 403, exit status 3"},
			{ID: "forbidden.allowed", Points: 3, Run: s.allowed, Needs: []string{"forbidden.reported"},
				Desc: "in a namespace where the account may list services: first line 200, exit status 0"},
			{ID: "forbidden.unauthorized", Points: 3, Run: s.unauthorized, Needs: []string{"forbidden.allowed"},
				Desc: "with a token the server does not accept: first line 401, exit status 4"},
			{ID: "forbidden.unverified", Points: 3, Run: s.unverified, Needs: []string{"forbidden.allowed"},
				Desc: "with a foreign ca.crt: exit status 1, nothing on stdout"},
			{ID: "forbidden.answer", Points: 3, Run: s.answer, Needs: []string{"forbidden.observed"},
				Desc: "the five answers match the refusal that the API server recorded"},
		},
	}
}

// forbidden is what the checks of lab 3 share.
type forbidden struct {
	home, viewer *check.Caller

	program *check.Program
	run     *check.Run    // in the learner's namespace
	refusal check.Request // that came of it
}

func (s *forbidden) setup(ctx context.Context, e *check.Env) (err error) {
	if s.home, err = e.StartCaller(ctx, e.Namespaces.Home, check.Genuine, check.ForeignToken, check.ForeignCA); err != nil {
		return err
	}
	s.viewer, err = e.StartCaller(ctx, e.Namespaces.Viewer, check.Genuine)
	return err
}

func (s *forbidden) observed(ctx context.Context, e *check.Env) (err error) {
	if s.program, err = e.Program(ctx, "lab-3", "call"); err != nil {
		return err
	}
	run, seen, err := witnessed(ctx, e, s.home, check.Genuine, s.program)
	if err != nil {
		return err
	}
	refused := refusals(e, seen)
	if ended := run.Ended(); len(seen) == 0 && ended != nil {
		return ended
	}
	if len(refused) == 0 {
		return &check.Failure{
			Want: "a refusal (403) of list services in " + e.Namespaces.Home + " to " + account(e),
			Got:  seen.Summary(),
			Hint: callHint(seen),
		}
	}
	s.run, s.refusal = run, refused[0]
	return nil
}

// account is the user name of the learner's service account.
func account(e *check.Env) string {
	return check.ServiceAccount(e.Namespaces.Home, "default").User
}

// refusals are the requests that lab 3 is about.
func refusals(e *check.Env, seen check.Requests) check.Requests {
	return seen.Lists("services", e.Namespaces.Home).By(account(e)).Answered(403)
}

func (s *forbidden) reported(_ context.Context, _ *check.Env) error {
	return says(s.run, "403", 3, "The program must print the status of the answer that it got, and turn 403 into exit status 3.")
}

// says fails a program that did not report a status as the contract asks.
func says(run *check.Run, status string, exit int, hint string) error {
	if err := run.Ended(); err != nil {
		return err
	}
	if run.FirstLine() != status || run.ExitStatus != exit {
		return &check.Failure{
			Want: fmt.Sprintf("first line %s, exit status %d", status, exit),
			Got:  run.Told(),
			Hint: hint,
		}
	}
	return nil
}

func (s *forbidden) allowed(ctx context.Context, e *check.Env) error {
	run, seen, err := witnessed(ctx, e, s.viewer, check.Genuine, s.program)
	if err != nil {
		return err
	}
	if len(seen.Lists("services", e.Namespaces.Viewer).Answered(200)) == 0 {
		return &check.Failure{
			Want: fmt.Sprintf("in a pod of the namespace %s, where its account may view: list services in %s, answered 200", e.Namespaces.Viewer, e.Namespaces.Viewer),
			Got:  seen.Summary(),
			Hint: "Ask for the services of the pod's own namespace: read its name from " + check.ServiceAccountPath + "/namespace.",
		}
	}
	return says(run, "200", 0, "The call was allowed this time: print the status of the answer, and end with 0 for any 2xx.")
}

func (s *forbidden) unauthorized(ctx context.Context, e *check.Env) error {
	run, seen, err := witnessed(ctx, e, s.home, check.ForeignToken, s.program)
	if err != nil {
		return err
	}
	if len(seen.Answered(401)) == 0 {
		return &check.Failure{
			Want: "with the token that is mounted in this pod, which the server does not know: a request that is answered 401",
			Got:  seen.Summary(),
			Hint: "Read the token from " + check.ServiceAccountPath + "/token at each run and send it.",
		}
	}
	return says(run, "401", 4, "401 says that the server does not know the caller, 403 that it does and refuses: tell them apart.")
}

func (s *forbidden) unverified(ctx context.Context, e *check.Env) error {
	run, seen, err := witnessed(ctx, e, s.home, check.ForeignCA, s.program)
	if err != nil {
		return err
	}
	if err := run.Ended(); err != nil {
		return err
	}
	want := "with a foreign ca.crt: exit status 1, nothing on stdout, no token sent"
	if sent := seen.WithCredential(); len(sent) > 0 {
		return &check.Failure{Want: want, Got: "a request with the token: " + sent.Summary(), Hint: "Verify the server with the mounted ca.crt (curl --cacert, not -k); a server that is not verified gets no token."}
	}
	if run.ExitStatus != 1 || strings.TrimSpace(run.Stdout) != "" {
		return &check.Failure{Want: want, Got: run.Told(), Hint: "Where there is no answer there is no status: say why on stderr and end with 1."}
	}
	return nil
}

const answerFile = "lab-3/answer.yaml"

func (s *forbidden) answer(_ context.Context, e *check.Env) error {
	text, err := e.Submission.Text(answerFile)
	if err != nil {
		return err
	}
	e.Saw(check.Requests{s.refusal}.Evidence()...)
	e.Saw(s.run.Evidence())
	var answers map[string]any
	if err := yaml.UnmarshalStrict(text, &answers); err != nil {
		return &check.Failure{
			Want: answerFile + " is a flat map of strings",
			Got:  check.Printable(err.Error(), 300),
			Hint: "Write five lines of the form key: value, each key once.",
		}
	}
	for _, question := range []struct{ key, recorded string }{
		{"user", s.refusal.User}, {"verb", s.refusal.Verb}, {"resource", s.refusal.Resource},
		{"namespace", s.refusal.Namespace}, {"reason", s.refusal.StatusReason},
	} {
		given, found := answers[question.key]
		delete(answers, question.key)
		if question.key == "namespace" && given == "default" { // the place may have another name on an existing cluster
			given = e.Namespaces.Home
		}
		text, isString := given.(string)
		switch {
		case !found:
			return wrongAnswer(question.key, "no such key")
		case !isString:
			return wrongAnswer(question.key, check.Printable(fmt.Sprintf("%v, which is no string", given), 200))
		case strings.TrimSpace(text) != question.recorded:
			return wrongAnswer(question.key, fmt.Sprintf("%q", check.Printable(text, 200)))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(answers)) {
		return &check.Failure{Want: "the keys user, verb, resource, namespace and reason, no other", Got: "a key " + fmt.Sprintf("%q", check.Printable(key, 60)), Hint: "Take the other keys out; look for a misspelt one."}
	}
	return nil
}

func wrongAnswer(key, got string) error {
	return &check.Failure{
		Want: key + " as in the refusal that the API server recorded",
		Got:  got,
		Hint: answerHints[key],
	}
}

var answerHints = map[string]string{
	"user":      "The message of the refusal names the user in full, between quotes; it has four parts.",
	"verb":      "The verb is Kubernetes' word for what was asked, not the HTTP method.",
	"resource":  "The message names the resource after the verb, in the plural.",
	"namespace": "The message ends with the namespace.",
	"reason":    "The answer's body is a Status object with a field reason: one word.",
}
