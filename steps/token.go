package steps

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"rolecall/harness"
	"rolecall/harness/check"
)

// Token is lab 2: one authenticated request from inside a pod.
func Token() harness.Lab {
	return harness.Lab{
		Slug: "token", Number: 2, Title: "Calling the API server with the pod's token",
		Files: []check.File{{Name: "call", Form: check.ProgramFile}},
		Setup: tokenSetup,
		Checks: []harness.Check{
			{ID: "token.runs", Points: 4, Run: tokenRuns,
				Desc: "the program compiles (Go), starts, and ends within 20 s"},
			{ID: "token.authenticated", Points: 4, Run: tokenAuthenticated, Needs: []string{"token.runs"},
				Desc: "the API server saw list services in default, from this pod, as system:serviceaccount:default:default"},
			{ID: "token.fresh", Points: 4, Run: tokenFresh, Needs: []string{"token.authenticated"},
				Desc: "run in a second pod, the request carries that pod's own credential: the token is read, not pasted"},
			{ID: "token.ca-verified", Points: 4, Run: tokenCAVerified, Needs: []string{"token.authenticated"},
				Desc: "in a pod whose ca.crt belongs to another authority, no credential reaches the server"},
			{ID: "token.namespace", Points: 4, Run: tokenNamespace, Needs: []string{"token.authenticated"},
				Desc: "in a pod of another namespace, it asks for that namespace's services"},
		},
	}
}

// tokenPods are the pods that lab 2 runs the program in.
type tokenPods struct{ first, second, elsewhere, deceived *check.Caller }

func tokenSetup(ctx context.Context, e *check.Env) error {
	var pods tokenPods
	err := startCallers(ctx, e,
		start{&pods.first, Home, check.Genuine},
		start{&pods.second, Home, check.Genuine},
		start{&pods.elsewhere, Elsewhere, check.Genuine},
		start{&pods.deceived, Home, check.ForeignCA})
	e.Keep(pods)
	return err
}

// call is one run of a program, and what the API server saw of it.
type call struct {
	run  *check.Run
	seen check.Requests
}

func tokenRuns(ctx context.Context, e *check.Env) error {
	program, err := e.Program(ctx, "lab-2", "call")
	if err != nil {
		return err
	}
	pod := check.Need[tokenPods](e, check.Setup).first
	var run *check.Run
	requests, err := e.Witness(ctx, func() (err error) {
		run, err = e.RunIn(ctx, pod, program)
		return err
	})
	if err != nil {
		return err
	}
	e.Keep(call{run, requests.From(pod.IP)})
	e.Saw(run.Evidence())
	return run.Ended()
}

func tokenAuthenticated(_ context.Context, e *check.Env) error {
	if err := e.NeedsAudit(); err != nil {
		return err
	}
	first := check.Need[call](e, "token.runs")
	e.Saw(first.seen.Evidence()...)
	if len(first.seen.Lists("services", e.Namespaces.Of(Home)).By(account(e))) > 0 {
		e.Keep(first.run.Program)
		return nil
	}
	e.Saw(first.run.Evidence())
	return first.missed(e, fmt.Sprintf("list services in %s, as %s", e.Namespaces.Of(Home), account(e)))
}

func tokenFresh(ctx context.Context, e *check.Env) error {
	second := check.Need[tokenPods](e, check.Setup).second
	again, err := witnessed(ctx, e, second, check.Need[*check.Program](e, "token.authenticated"))
	if err != nil {
		return err
	}
	want := "a request with the second pod's own token"
	for _, r := range again.seen {
		if r.PodUID == second.UID {
			return nil
		}
	}
	if len(again.seen.WithCredential()) == 0 {
		return &check.Failure{Want: want, Got: again.seen.Summary(), Hint: "The program must work in any pod: keep no state, and read the token at each run."}
	}
	return &check.Failure{Want: want, Got: "a request with a token that is not bound to that pod: " + again.seen.Summary(), Hint: "Read " + check.ServiceAccountPath + "/token when the program runs instead of pasting a token into it."}
}

func tokenCAVerified(ctx context.Context, e *check.Env) error {
	deceived, err := witnessed(ctx, e, check.Need[tokenPods](e, check.Setup).deceived, check.Need[*check.Program](e, "token.authenticated"))
	if err != nil {
		return err
	}
	if sent := deceived.seen.WithCredential(); len(sent) > 0 {
		return &check.Failure{
			Want: "no request with a token to a server that ca.crt does not vouch for",
			Got:  sent.Summary(),
			Hint: "Verify the server: curl --cacert " + check.ServiceAccountPath + "/ca.crt, never -k; in Go, tls.Config.RootCAs, never InsecureSkipVerify.",
		}
	}
	return deceived.run.Ended()
}

func tokenNamespace(ctx context.Context, e *check.Env) error {
	namespace := e.Namespaces.Of(Elsewhere)
	there, err := witnessed(ctx, e, check.Need[tokenPods](e, check.Setup).elsewhere, check.Need[*check.Program](e, "token.authenticated"))
	if err != nil {
		return err
	}
	if len(there.seen.Lists("services", namespace)) > 0 {
		return nil
	}
	return &check.Failure{
		Want: fmt.Sprintf("in a pod of the namespace %s: list services in %s", namespace, namespace),
		Got:  there.seen.Summary(),
		Hint: "Read the namespace's name from " + check.ServiceAccountPath + "/namespace instead of writing default.",
	}
}

// account is the user name of the learner's service account.
func account(e *check.Env) string {
	return check.ServiceAccount(e.Namespaces.Of(Home), "default").User
}

// witnessed runs a program in a caller. What the API server saw of
// it is kept as evidence.
func witnessed(ctx context.Context, e *check.Env, c *check.Caller, p *check.Program) (*call, error) {
	return witness(ctx, e, func() (run *check.Run, ip string, err error) {
		run, err = e.RunIn(ctx, c, p)
		return run, c.IP, err
	})
}

// witness runs a program by run, which also says from which address it called.
func witness(ctx context.Context, e *check.Env, run func() (*check.Run, string, error)) (*call, error) {
	if err := e.NeedsAudit(); err != nil {
		return nil, err
	}
	var made call
	var ip string
	requests, err := e.Witness(ctx, func() (err error) {
		made.run, ip, err = run()
		return err
	})
	if err != nil {
		return nil, err
	}
	made.seen = requests.From(ip)
	e.Saw(made.seen.Evidence()...)
	return &made, nil
}

// unverified is what curl and Go say without a certificate for the server.
var unverified = regexp.MustCompile(`curl: \((60|77)\)|unknown authority|local issuer certificate`)

// unread is what cat says of a file that is not there.
var unread = regexp.MustCompile(`can't open '[^'\n]*': No such file or directory`)

// missed fails a program whose request is not the one that a lab is about, and
// names the likeliest reason.
func (c *call) missed(e *check.Env, want string) error {
	failure := &check.Failure{Want: want, Got: c.seen.Summary()}
	switch trouble := c.run.Trouble(); {
	case len(c.seen) == 0 && c.run.Ended() != nil:
		return c.run.Ended()
	case len(c.seen) == 0 && trouble != nil:
		failure.Got += ": " + trouble.What
		failure.Hint, failure.Position = trouble.Hint, trouble.Position
	case len(c.seen) == 0:
		if message := c.run.Message(); message != "" {
			failure.Got += "; on stderr " + message
		}
		failure.Hint = "The request is GET https://kubernetes.default.svc/api/v1/namespaces/NAMESPACE/services."
		if unverified.MatchString(c.run.Stderr) {
			failure.Hint = "The program has no certificate to verify the server with: give it " + check.ServiceAccountPath + "/ca.crt (curl --cacert)."
		}
	case c.run.Program.QuotesToken() && len(c.seen.Answered(401)) > 0:
		failure.Hint = "Single quotes keep $( ) and variables from being expanded: put the Authorization header in double quotes."
	case len(c.seen.Answered(401)) > 0:
		failure.Hint = "The server did not accept the token: send it as Authorization: Bearer followed by the file's content, nothing more."
	case len(c.seen.WithCredential()) == 0:
		if lost := unread.FindString(c.run.Stderr); lost != "" {
			failure.Got += "; on stderr " + strconv.Quote(check.Printable(lost, 200))
		}
		failure.Hint = "The server saw no token. The header is Authorization: Bearer TOKEN, with one space before the content of " + check.ServiceAccountPath + "/token."
	case trouble != nil:
		failure.Hint, failure.Position = trouble.Hint, trouble.Position
	case slices.ContainsFunc(c.seen, func(r check.Request) bool { return r.Namespace == "NAMESPACE" }):
		failure.Hint = "NAMESPACE stands for the pod's own namespace: read it from " + check.ServiceAccountPath + "/namespace."
	case c.seen[0].Verb == "watch":
		failure.Hint = "A watch is a list that stays open: leave the parameter watch out of the request."
	case c.seen[0].Verb == "get" && c.seen[0].Resource == "services":
		failure.Hint = "With a name after services the request is for one service: end the path with /services."
	default:
		failure.Hint = "The path for the services of a namespace is /api/v1/namespaces/NAMESPACE/services."
	}
	return e.Submission.Explain(failure, c.run.Program.Name)
}
