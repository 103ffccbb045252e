package steps

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"rolecall/harness"
	"rolecall/harness/check"
)

// Audience is lab 8: a token that is meant for somebody else than the API
// server, beside the one that is meant for it.
func Audience() harness.Lab {
	return harness.Lab{
		Slug: "audience", Number: 8, Title: "Carrying a token for somebody else",
		Files:   []check.File{{Name: "pod.yaml", Form: check.ManifestFile}, {Name: "call", Form: check.ProgramFile}},
		Objects: []schema.GroupVersionKind{podKind},
		Makes:   []schema.GroupVersionKind{secretKind},
		Setup:   audienceSetup,
		Checks: []harness.Check{
			{ID: "audience.manifest", Points: 4, Run: audienceManifest,
				Desc: "pod.yaml is exactly one Pod for the namespace default, with known fields and no duplicate key"},
			{ID: "audience.mounted", Points: 4, Run: audienceMounted, Needs: []string{"audience.manifest"},
				Desc: "the pod is running; its token for the audience vault alone lasts 600 s and is bound to this very pod"},
			{ID: "audience.accepted", Points: 4, Run: audienceAccepted, Needs: []string{"audience.mounted"},
				Desc: "a TokenReview for vault knows it as this pod's service account default, one for another audience does not"},
			{ID: "audience.unauthorized", Points: 4, Run: audienceUnauthorized, Needs: []string{"audience.mounted"},
				Desc: "the program showed it to the API server, which answered 401: first line 401, exit status 4"},
			{ID: "audience.default-kept", Points: 4, Run: audienceDefaultKept, Needs: []string{"audience.mounted"},
				Desc: "the pod's usual token is there too and is still good: 403, not 401"},
		},
	}
}

const (
	audiencePodFile = "lab-8/pod.yaml"

	vault       = "vault" // the audience
	vaultFolder = "/var/run/secrets/vault"
	vaultToken  = vaultFolder + "/token"
	vaultLasts  = 600 // seconds
)

// accepting is a pod of ours in which the program finds, in the place of the
// token for vault, one that the API server takes: so the log says which it shows.
type accepting struct {
	pod   *check.Caller
	token *check.Issued
}

func audienceSetup(ctx context.Context, e *check.Env) (err error) {
	var a accepting
	if a.token, err = e.IssueToken(ctx, e.Namespaces.Of(Home), "default"); err != nil {
		return err
	}
	a.pod, err = e.StartCaller(ctx, e.Namespaces.Of(Home), "default", check.Genuine, check.Mount{Path: vaultFolder, Secret: a.token.Secret})
	e.Keep(a)
	return err
}

func audienceManifest(ctx context.Context, e *check.Env) error {
	object, err := onePod(ctx, e, audiencePodFile)
	if err != nil {
		return err
	}
	e.Keep(object)
	return nil
}

// tokenPod is the learner's pod and a token that is mounted in it.
type tokenPod struct {
	learnerPod
	token *check.Token
}

func audienceMounted(ctx context.Context, e *check.Env) error {
	object := check.Need[*unstructured.Unstructured](e, "audience.manifest")
	pod, err := startPod(ctx, e, object)
	if err != nil {
		return e.Submission.Explain(err, audiencePodFile)
	}
	l := learnerPod{object, pod, toolContainer(e, pod)}
	token, err := l.read(ctx, e, vaultToken)
	if err != nil {
		return e.Submission.Explain(err, audiencePodFile)
	}
	e.Saw(check.Evidence{Object: vaultToken + " holds " + token.String()})
	fail := func(got, hint string) error {
		return &check.Failure{Want: fmt.Sprintf("at %s a token for the audience %s alone that lasts %d s and is bound to this pod", vaultToken, vault, vaultLasts), Got: got, Hint: hint,
			Position: e.Position(object, "spec.volumes")}
	}
	switch seconds, _ := token.Lasts(); {
	case slices.Contains(token.Audiences, token.Issuer):
		return fail("a token for the API server, "+check.Printable(token.Issuer, 200), "The projection of a token has a field for its audience; without it the token is for the API server.")
	case !slices.Equal(token.Audiences, []string{vault}):
		return fail("a token for "+check.Printable(strings.Join(token.Audiences, ", "), 200), "An audience is a name, and is compared letter by letter: this one is "+vault+".")
	case seconds != vaultLasts:
		return fail(fmt.Sprintf("a token that lasts %d s", seconds), "The projection of a token has a field for how long it lasts, in seconds; without it that is an hour.")
	case token.BoundUID != string(pod.UID):
		return fail("a token that is bound to another object or to none", "Let Kubernetes issue the token for this pod: project it, instead of bringing one along.")
	}
	e.Keep(tokenPod{l, token})
	return nil
}

// read is the token in a file of the learner's pod.
func (l learnerPod) read(ctx context.Context, e *check.Env, file string) (*check.Token, error) {
	want := "a token in " + file
	text, stderr, status, err := l.inside(ctx, e, "cat", file)
	if err != nil {
		return nil, err
	}
	if status != 0 {
		return nil, &check.Failure{Want: want, Got: curlSaid(stderr), Hint: "A volume's mountPath is a folder; what is in it has the names that the volume gives.",
			Position: e.Position(l.object, "spec.volumes")}
	}
	token, err := check.ReadToken(text)
	if err != nil {
		return nil, &check.Failure{Want: want, Got: "a file that holds none: " + err.Error(), Hint: "Let Kubernetes issue the token and mount it.",
			Position: e.Position(l.object, "spec.volumes")}
	}
	return token, nil
}

func audienceAccepted(ctx context.Context, e *check.Env) error {
	l := check.Need[tokenPod](e, "audience.mounted")
	known, err := e.ReviewToken(ctx, l.token, vault)
	if err != nil {
		return err
	}
	const another = "not-" + vault
	elsewhere, err := e.ReviewToken(ctx, l.token, another)
	if err != nil {
		return err
	}
	e.Saw(check.Evidence{Object: fmt.Sprintf("a TokenReview for the audience %s: %s", vault, knownAs(known.Authenticated, known.User.Username))},
		check.Evidence{Object: fmt.Sprintf("a TokenReview for the audience %s: %s", another, knownAs(elsewhere.Authenticated, elsewhere.User.Username))})
	want := fmt.Sprintf("a token that the API server, asked for %s, knows as %s of this pod", vault, account(e))
	fail := func(got, hint, field string) error {
		return &check.Failure{Want: want, Got: got, Hint: hint, Position: e.Position(l.object, field)}
	}
	switch bound := strings.Join(known.User.Extra["authentication.kubernetes.io/pod-uid"], ""); {
	case !known.Authenticated:
		return fail("a file that claims to be such a token, and that it did not issue", "What a token says can be written by anybody; its signature cannot. Let Kubernetes issue it: project it.", "spec.volumes")
	case known.User.Username != account(e):
		return fail("a token of "+check.Printable(known.User.Username, 200), "A pod's tokens are its service account's: leave spec.serviceAccountName out, and it is default.", "spec.serviceAccountName")
	case bound != string(l.pod.UID) || elsewhere.Authenticated:
		return fail("one that is good without this pod, or for others than "+vault, "Let Kubernetes issue the token for this pod: project it.", "spec.volumes")
	}
	return nil
}

func knownAs(known bool, user string) string {
	if !known {
		return "not known"
	}
	return "known as " + check.Printable(user, 200)
}

// audienceUnauthorized runs the program in the learner's pod, and then in one of
// ours: of a call that is answered 401 the log does not say what it showed.
func audienceUnauthorized(ctx context.Context, e *check.Env) error {
	program, err := e.Program(ctx, "lab-8", "call")
	if err != nil {
		return err
	}
	made, err := check.Need[tokenPod](e, "audience.mounted").witnessed(ctx, e, program)
	if err != nil {
		return err
	}
	refused := made.seen.Lists("services", e.Namespaces.Of(Home))
	if len(refused.Answered(401)) == 0 || len(refused.By(account(e))) > 0 {
		return unshown(e, made)
	}
	if err := reports(made.run, "401", 4, "Print the status of the answer that the program got, and turn 401 into exit status 4."); err != nil {
		return err
	}
	ours := check.Need[accepting](e, check.Setup)
	again, err := witnessed(ctx, e, ours.pod, program)
	if err != nil {
		return err
	}
	if len(again.seen.Lists("services", e.Namespaces.Of(Home)).WithToken(ours.token.Token)) == 0 {
		return &check.Failure{
			Want: "in another pod, where " + vaultToken + " holds a token for the API server: a call with that token",
			Got:  again.seen.Summary(),
			Hint: "Show the token that is in " + vaultToken + ": read it at each run, and send it unchanged.",

			Position: program.Position(),
		}
	}
	return reports(again.run, "403", 3, "In another pod that file holds a token for the API server, and the call is answered 403: report the answer that comes.")
}

// witnessed runs a program in the learner's own pod.
func (l learnerPod) witnessed(ctx context.Context, e *check.Env, program *check.Program) (*call, error) {
	return witness(ctx, e, func() (run *check.Run, ip string, err error) {
		run, err = e.RunInPod(ctx, l.pod, l.container, program)
		return run, l.pod.Status.PodIP, err
	})
}

// unshown fails a program that did not show the token for vault.
func unshown(e *check.Env, made *call) error {
	want := "list services in " + e.Namespaces.Of(Home) + " with the token in " + vaultToken + ", answered 401"
	fail := func(hint string) error {
		return e.Submission.Explain(&check.Failure{Want: want, Got: made.seen.Summary(), Hint: hint, Position: made.run.Program.Position()}, made.run.Program.Name)
	}
	switch {
	case len(made.seen.By(account(e))) > 0:
		return fail("That was the pod's usual token: show the one in " + vaultToken + ".")
	case len(made.seen) > 0 && len(made.seen.WithCredential()) == 0:
		return fail("The server saw no token. The header is Authorization: Bearer TOKEN, with one space before the content of " + vaultToken + ".")
	}
	return made.missed(e, want)
}

func audienceDefaultKept(ctx context.Context, e *check.Env) error {
	l := check.Need[tokenPod](e, "audience.mounted")
	seen, said, err := l.listsServices(ctx, e)
	if err != nil {
		return err
	}
	want := "a call with the token in " + check.ServiceAccountPath + ", known as this pod's and answered 403"
	hint := "Leave the folder " + check.ServiceAccountPath + " to Kubernetes, and automountServiceAccountToken as it is: the token for " + vault + " is one more, in a folder of its own."
	at := e.Position(l.object, "spec.volumes")
	switch {
	case len(seen.OfPod(l.pod.UID).Answered(403)) > 0:
		return nil
	case len(seen) == 0:
		return &check.Failure{Want: want, Got: "no call: " + said, Hint: hint, Position: at}
	}
	return &check.Failure{Want: want, Got: seen.Summary(), Hint: hint, Position: at}
}

// listsServices calls the API server from the learner's pod as any program would,
// with what Kubernetes mounts. It returns what the API server saw and, where that
// is nothing, what the shell or curl said.
func (l learnerPod) listsServices(ctx context.Context, e *check.Env) (seen check.Requests, said string, err error) {
	if err := e.NeedsAudit(); err != nil {
		return nil, "", err
	}
	requests, err := e.Witness(ctx, func() (err error) {
		_, said, _, err = l.inside(ctx, e, "sh", "-c", lists)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	seen = requests.From(l.pod.Status.PodIP).Lists("services", e.Namespaces.Of(Home))
	e.Saw(seen.Evidence()...)
	return seen, curlSaid(said), nil
}
