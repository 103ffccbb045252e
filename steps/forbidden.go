package steps

import (
	"context"
	"fmt"
	"strings"

	"rolecall/harness"
	"rolecall/harness/check"
)

// Forbidden is lab 3: the refusal, as a program reports it and as a person
// reads it.
func Forbidden() harness.Lab {
	return harness.Lab{
		Slug: "forbidden", Number: 3, Title: "Reading the 403",
		Files: []check.File{{Name: "call", Form: check.ProgramFile}, {Name: "answer.yaml", Form: check.AnswersFile}},
		Setup: forbiddenSetup,
		Checks: []harness.Check{
			{ID: "forbidden.observed", Points: 4, Run: forbiddenObserved,
				Desc: "the API server refused list services in default to this pod's service account with 403"},
			{ID: "forbidden.reported", Points: 4, Run: forbiddenReported, Needs: []string{"forbidden.observed"},
				Desc: "the program says so: first line 403, exit status 3"},
			{ID: "forbidden.allowed", Points: 3, Run: forbiddenAllowed, Needs: []string{"forbidden.reported"},
				Desc: "in a namespace where the account may list services: first line 200, exit status 0"},
			{ID: "forbidden.unauthorized", Points: 3, Run: forbiddenUnauthorized, Needs: []string{"forbidden.allowed"}, // one that always says 403 reports nothing
				Desc: "with a token the server does not accept: first line 401, exit status 4"},
			{ID: "forbidden.unverified", Points: 3, Run: forbiddenUnverified, Needs: []string{"forbidden.allowed"}, // nor one that always fails
				Desc: "with a foreign ca.crt: exit status 1, nothing on stdout"},
			{ID: "forbidden.answer", Points: 3, Run: forbiddenAnswer, Needs: []string{"forbidden.observed"},
				Desc: "the five answers match the refusal that the API server recorded"},
		},
	}
}

// forbiddenPods are the pods that lab 3 runs the program in.
type forbiddenPods struct{ home, viewer, unknown, deceived *check.Caller }

func forbiddenSetup(ctx context.Context, e *check.Env) error {
	var pods forbiddenPods
	err := startCallers(ctx, e,
		start{&pods.home, Home, check.Genuine},
		start{&pods.viewer, Viewer, check.Genuine},
		start{&pods.unknown, Home, check.ForeignToken},
		start{&pods.deceived, Home, check.ForeignCA})
	e.Keep(pods)
	return err
}

func forbiddenObserved(ctx context.Context, e *check.Env) error {
	program, err := e.Program(ctx, "lab-3", "call")
	if err != nil {
		return err
	}
	made, err := witnessed(ctx, e, check.Need[forbiddenPods](e, check.Setup).home, program)
	if err != nil {
		return err
	}
	if len(refusals(e, made.seen)) == 0 {
		return made.missed(e, "a refusal (403) of list services in "+e.Namespaces.Of(Home)+" to "+account(e))
	}
	e.Keep(made)
	return nil
}

// refusals are the requests that lab 3 is about.
func refusals(e *check.Env, seen check.Requests) check.Requests {
	return seen.Lists("services", e.Namespaces.Of(Home)).By(account(e)).Answered(403)
}

func forbiddenReported(_ context.Context, e *check.Env) error {
	refused := check.Need[*call](e, "forbidden.observed")
	e.Keep(refused.run.Program)
	return reports(refused.run, "403", 3, "Print the status of the answer that the program got, and turn 403 into exit status 3.")
}

// reports fails a program that did not report a status as lab 3 asks.
func reports(run *check.Run, status string, exit int, hint string) error {
	if err := run.Ended(); err != nil {
		return err
	}
	if run.FirstLine() == status && run.ExitStatus == exit {
		return nil
	}
	if run.ExitStatus == exit && strings.Contains(run.FirstLine(), status) {
		hint = "Print the three digits alone on the first line: " + status + "."
	}
	at := run.Program.Position()
	if trouble := run.Trouble(); trouble != nil {
		hint, at = trouble.Hint, trouble.Position
	}
	return &check.Failure{Want: fmt.Sprintf("first line %s, exit status %d", status, exit), Got: run.Describe(), Hint: hint, Position: at}
}

func forbiddenAllowed(ctx context.Context, e *check.Env) error {
	program := check.Need[*check.Program](e, "forbidden.reported")
	made, err := witnessed(ctx, e, check.Need[forbiddenPods](e, check.Setup).viewer, program)
	if err != nil {
		return err
	}
	namespace := e.Namespaces.Of(Viewer)
	if len(made.seen.Lists("services", namespace).Answered(200)) == 0 {
		return &check.Failure{
			Want: fmt.Sprintf("in a pod of the namespace %s, where its account may view: list services in %s, answered 200", namespace, namespace),
			Got:  made.seen.Summary(),
			Hint: "Ask for the services of the pod's own namespace: read its name from " + check.ServiceAccountPath + "/namespace.",

			Position: program.Position(),
		}
	}
	e.Keep(program)
	return reports(made.run, "200", 0, "The call was allowed this time: print the status of the answer, and end with 0 for any 2xx.")
}

func forbiddenUnauthorized(ctx context.Context, e *check.Env) error {
	program := check.Need[*check.Program](e, "forbidden.allowed")
	made, err := witnessed(ctx, e, check.Need[forbiddenPods](e, check.Setup).unknown, program)
	if err != nil {
		return err
	}
	if len(made.seen.Answered(401)) == 0 {
		return &check.Failure{
			Want: "with the token that is mounted in this pod, which the server does not know: a request that is answered 401",
			Got:  made.seen.Summary(),
			Hint: "Read the token from " + check.ServiceAccountPath + "/token at each run and send it.",

			Position: program.Position(),
		}
	}
	return reports(made.run, "401", 4, "401 says that the server does not know the caller, 403 that it does and refuses: tell them apart.")
}

func forbiddenUnverified(ctx context.Context, e *check.Env) error {
	program := check.Need[*check.Program](e, "forbidden.allowed")
	made, err := witnessed(ctx, e, check.Need[forbiddenPods](e, check.Setup).deceived, program)
	if err != nil {
		return err
	}
	if err := made.run.Ended(); err != nil {
		return err
	}
	fail := func(got, hint string) error {
		return &check.Failure{Want: "with a foreign ca.crt: exit status 1, nothing on stdout, no token sent", Got: got, Hint: hint, Position: program.Position()}
	}
	if sent := made.seen.WithCredential(); len(sent) > 0 {
		return fail("a request with the token: "+sent.Summary(), "Verify the server with the mounted ca.crt (curl --cacert, not -k); a server that is not verified gets no token.")
	}
	if made.run.ExitStatus != 1 || strings.TrimSpace(made.run.Stdout) != "" {
		return fail(made.run.Describe(), "Without an answer there is no status: say why on stderr and end with 1.")
	}
	return nil
}

func forbiddenAnswer(_ context.Context, e *check.Env) error {
	const file = "lab-3/answer.yaml"
	made := check.Need[*call](e, "forbidden.observed")
	refusal := refusals(e, made.seen)[0]
	e.Saw(check.Requests{refusal}.Evidence()...)
	e.Saw(made.run.Evidence())
	err := e.Answers(file, "as in the refusal that the API server recorded",
		check.Answer{Key: "user", Right: []string{refusal.User},
			Hint: "The message of the refusal names the user in full, between quotes; it has four parts."},
		check.Answer{Key: "verb", Right: []string{refusal.Verb},
			Hint: "The verb is Kubernetes' word for what was asked, not the HTTP method."},
		check.Answer{Key: "resource", Right: []string{refusal.Resource},
			Hint: "The message names the resource after the verb, in the plural."},
		check.Answer{Key: "namespace", Right: []string{refusal.Namespace, "default"}, // as in the text; the cluster's may have another name
			Hint: "The message ends with the namespace."},
		check.Answer{Key: "reason", Right: []string{refusal.StatusReason},
			Hint: "The answer's body is a Status object with a field reason: one word."})
	return e.Submission.Explain(err, file)
}
