package steps

import (
	"context"
	"fmt"

	"rolecall/harness"
	"rolecall/harness/check"
)

// Token is lab 2: one authenticated request from inside a pod.
func Token() harness.Step {
	s := &token{}
	return harness.Step{
		Slug: "token", Lab: 2, Title: "Calling the API server with the pod's token",
		Setup: s.setup,
		Checks: []harness.Check{
			{ID: "token.runs", Points: 4, Run: s.runs,
				Desc: "the program compiles (Go), starts, and ends within 20 s"},
			{ID: "token.authenticated", Points: 4, Run: s.authenticated, Needs: []string{"token.runs"},
				Desc: "the API server saw list services in default, from this pod, as system:serviceaccount:default:default"},
			{ID: "token.fresh", Points: 4, Run: s.fresh, Needs: []string{"token.authenticated"},
				Desc: "run in a second pod, the request carries that pod's own credential: the token is read, not pasted"},
			{ID: "token.ca-verified", Points: 4, Run: s.caVerified, Needs: []string{"token.authenticated"},
				Desc: "in a pod whose ca.crt belongs to another authority, no credential reaches the server"},
			{ID: "token.namespace", Points: 4, Run: s.namespace, Needs: []string{"token.authenticated"},
				Desc: "in a pod of another namespace, it asks for that namespace's services"},
		},
	}
}

// token is what the checks of lab 2 share.
type token struct {
	first, second, elsewhere *check.Caller

	program  *check.Program
	run      *check.Run     // in the first pod
	requests check.Requests // that came of it
}

func (s *token) setup(ctx context.Context, e *check.Env) (err error) {
	if s.first, err = e.StartCaller(ctx, e.Namespaces.Home, check.Genuine, check.ForeignCA); err != nil {
		return err
	}
	if s.second, err = e.StartCaller(ctx, e.Namespaces.Home, check.Genuine); err != nil {
		return err
	}
	s.elsewhere, err = e.StartCaller(ctx, e.Namespaces.Elsewhere, check.Genuine)
	return err
}

func (s *token) runs(ctx context.Context, e *check.Env) (err error) {
	if s.program, err = e.Program(ctx, "lab-2", "call"); err != nil {
		return err
	}
	s.requests, err = e.Witness(ctx, func() error {
		s.run, err = e.RunIn(ctx, s.first, check.Genuine, s.program)
		return err
	})
	if err != nil {
		return err
	}
	return s.run.Ended()
}

func (s *token) authenticated(_ context.Context, e *check.Env) error {
	if err := e.NeedsAudit(); err != nil {
		return err
	}
	account := check.ServiceAccount(e.Namespaces.Home, "default").User
	seen := s.requests.From(s.first.IP)
	e.Saw(seen.Evidence()...)
	if len(seen.Lists("services", e.Namespaces.Home).By(account)) > 0 {
		return nil
	}
	e.Saw(s.run.Evidence())
	return &check.Failure{
		Want: fmt.Sprintf("list services in %s, as %s", e.Namespaces.Home, account),
		Got:  seen.Summary(),
		Hint: callHint(seen),
	}
}

// callHint names the likeliest reason for which the request was not seen.
func callHint(seen check.Requests) string {
	switch {
	case len(seen) == 0:
		return "Nothing arrived: look at what the program wrote to stderr. The request is GET https://kubernetes.default.svc/api/v1/namespaces/NAMESPACE/services."
	case len(seen.Answered(401)) > 0:
		return "The server did not accept the token: send it as Authorization: Bearer followed by the file's content, nothing more."
	case len(seen.WithCredential()) == 0:
		return "The request carried no token: send the header Authorization: Bearer with the content of " + check.ServiceAccountPath + "/token."
	}
	return "The path for the services of a namespace is /api/v1/namespaces/NAMESPACE/services."
}

func (s *token) fresh(ctx context.Context, e *check.Env) error {
	seen, err := s.runIn(ctx, e, s.second, check.Genuine)
	if err != nil {
		return err
	}
	want := "a request with the second pod's own token"
	for _, r := range seen {
		if r.PodUID == s.second.UID {
			return nil
		}
	}
	if len(seen.WithCredential()) == 0 {
		return &check.Failure{Want: want, Got: seen.Summary(), Hint: "The program must work in any pod: keep no state, and read the token at each run."}
	}
	return &check.Failure{Want: want, Got: "a request with a token that is not bound to that pod: " + seen.Summary(), Hint: "Read " + check.ServiceAccountPath + "/token when the program runs instead of pasting a token into it."}
}

func (s *token) caVerified(ctx context.Context, e *check.Env) error {
	seen, err := s.runIn(ctx, e, s.first, check.ForeignCA)
	if err != nil {
		return err
	}
	if sent := seen.WithCredential(); len(sent) > 0 {
		return &check.Failure{
			Want: "no request with a token to a server that ca.crt does not vouch for",
			Got:  sent.Summary(),
			Hint: "Verify the server: curl --cacert " + check.ServiceAccountPath + "/ca.crt, never -k; in Go, tls.Config.RootCAs, never InsecureSkipVerify.",
		}
	}
	return nil
}

func (s *token) namespace(ctx context.Context, e *check.Env) error {
	seen, err := s.runIn(ctx, e, s.elsewhere, check.Genuine)
	if err != nil {
		return err
	}
	if len(seen.Lists("services", e.Namespaces.Elsewhere)) > 0 {
		return nil
	}
	return &check.Failure{
		Want: fmt.Sprintf("in a pod of the namespace %s: list services in %s", e.Namespaces.Elsewhere, e.Namespaces.Elsewhere),
		Got:  seen.Summary(),
		Hint: "Read the namespace's name from " + check.ServiceAccountPath + "/namespace instead of writing default.",
	}
}

// runIn runs the program in one of the pods and returns what arrived from it.
func (s *token) runIn(ctx context.Context, e *check.Env, c *check.Caller, container string) (check.Requests, error) {
	_, seen, err := witnessed(ctx, e, c, container, s.program)
	return seen, err
}

// witnessed runs a program in a caller's container and returns how it went and
// what the API server saw of it, which is kept as evidence.
func witnessed(ctx context.Context, e *check.Env, c *check.Caller, container string, p *check.Program) (*check.Run, check.Requests, error) {
	if err := e.NeedsAudit(); err != nil {
		return nil, nil, err
	}
	var run *check.Run
	requests, err := e.Witness(ctx, func() (err error) {
		run, err = e.RunIn(ctx, c, container, p)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	seen := requests.From(c.IP)
	e.Saw(seen.Evidence()...)
	return run, seen, nil
}
