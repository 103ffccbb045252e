package steps

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"rolecall/harness"
	"rolecall/harness/check"
	"rolecall/harness/next"
)

// Secret is lab 10: a token that is kept in a Secret, as all were in 2019, and
// one of today's.
func Secret() harness.Lab {
	return harness.Lab{
		Slug: "secret", Number: 10, Title: "Comparing the token of 2019 with today's",
		Files: []check.File{
			{Name: "secret.yaml", Form: check.ManifestFile}, {Name: "call", Form: check.ProgramFile},
			{Name: "pod.yaml", Form: check.ManifestFile}, {Name: "answer.yaml", Form: check.AnswersFile},
		},
		Objects: []schema.GroupVersionKind{secretKind, podKind},
		Setup:   secretSetup,
		Checks: []harness.Check{
			{ID: "secret.manifest", Points: 3, Run: secretManifest,
				Desc: "secret.yaml is exactly one Secret, a service account token for robot, without data of its own"},
			{ID: "secret.filled", Points: 3, Run: secretFilled, Needs: []string{"secret.manifest"},
				Desc: "the token controller filled it"},
			{ID: "secret.used", Points: 4, Run: secretUsed, Needs: []string{"secret.filled"},
				Desc: "the program's request was seen as robot, with the audit annotation of this Secret's token"},
			{ID: "secret.bound", Points: 4, Run: secretBound, Needs: []string{"secret.filled"},
				Desc: "a call from the pod of pod.yaml is seen as robot, with a token bound to that pod and no legacy annotation"},
			{ID: "secret.answer", Points: 3, Run: secretAnswer, Needs: []string{"secret.filled", "secret.bound"},
				Desc: "the five answers match the two tokens"},
			{ID: "secret.revoked", Points: 3, Run: secretRevoked, Needs: []string{"secret.used", "secret.bound"},
				Desc: "after the Secret is deleted, the first token is answered 401 and the second is not"},
		},
	}
}

const (
	secretFile    = "lab-10/secret.yaml"
	secretPodFile = "lab-10/pod.yaml"

	robotName    = "robot"
	legacyFolder = "/var/run/secrets/legacy"
	legacyMark   = "authentication.k8s.io/legacy-token" // begins the names of the annotations of such a token
	legacySecret = legacyMark + "-manual-secret"        // one of them, with the Secret's name for its value

	tokenFilled = 10 * time.Second // the token controller takes some milliseconds
)

// robot is the user name of the account that the lab provides.
func robot(e *check.Env) string {
	return check.ServiceAccount(e.Namespaces.Of(Home), robotName).User
}

func secretSetup(ctx context.Context, e *check.Env) error {
	if _, err := e.Client.CoreV1().ServiceAccounts(e.Namespaces.Of(Home)).Get(ctx, robotName, metav1.GetOptions{}); err != nil {
		return next.Errorf("make reset", "looking for the service account %s: %w", robotName, err)
	}
	return nil
}

func secretManifest(ctx context.Context, e *check.Env) error {
	const want = "exactly one object, a Secret with a token for robot, in the namespace default"
	objects, err := e.Objects(ctx, check.Wanted{
		File: secretFile, Want: want, One: true, Kinds: []schema.GroupVersionKind{secretKind}, Namespaces: home(e),
		Hint: "Write apiVersion: v1 and kind: Secret.",
	})
	if err != nil {
		return err
	}
	object := objects[0]
	fail := func(field, got, hint string) error {
		return e.Submission.Explain(&check.Failure{Want: want, Got: check.Printable(got, 300), Hint: hint, Position: e.Position(object, field)}, secretFile)
	}
	text := func(path ...string) string {
		text, _, _ := unstructured.NestedString(object.Object, path...)
		return text
	}
	account := text("metadata", "annotations", corev1.ServiceAccountNameKey)
	switch of := text("type"); {
	case of == "":
		return fail("kind", "a Secret without a type, which is one for anything", "A Secret that the token controller is to fill says so by its type, a field beside kind.")
	case of != string(corev1.SecretTypeServiceAccountToken):
		return fail("type", "a Secret of the type "+of, "The type that the token controller knows is kubernetes.io/service-account-token.")
	case account == "" && text("metadata", "labels", corev1.ServiceAccountNameKey) != "":
		return fail("metadata.labels", "the account's name in a label", "It is an annotation that says whose token this is: same name, below annotations.")
	case account == "":
		return fail("metadata", "no annotation that says whose token this is", "The annotation is called "+corev1.ServiceAccountNameKey+"; its value is the account's name.")
	case account != robotName:
		return fail("metadata.annotations", "a token for the account "+account, "The account of this lab is called robot; the lab provides it.")
	}
	for _, field := range []string{"data", "stringData"} {
		if fields, _, _ := unstructured.NestedMap(object.Object, field); len(fields) > 0 {
			return fail(field, "a Secret that brings "+field, "Leave "+field+" out: the token controller fills it in, and a token in a file is a token given away.")
		}
	}
	err = e.DryRun(ctx, object)
	if refusal, refused := check.AsRefusal(err); refused {
		return &check.Failure{Want: "a Secret that the API server accepts", Got: refusal.Message, Hint: bindingHint(refusal.Message), Position: refusal.Position}
	}
	if err != nil {
		return err
	}
	e.Keep(object)
	return nil
}

// legacy is a Secret of the learner's, filled, and a pod of ours in which it is
// mounted.
type legacy struct {
	name  string
	token *check.Token
	pod   *check.Caller
}

// legacies are the learner's Secret and a second one of the same manifest. Of the
// second one's token the API server has seen nothing when it ends, so there is
// nothing that it remembers for another ten seconds.
type legacies struct{ first, second legacy }

func secretFilled(ctx context.Context, e *check.Env) (err error) {
	object := check.Need[*unstructured.Unstructured](e, "secret.manifest")
	var l legacies
	if l.first, err = fill(ctx, e, object, object); err != nil {
		return err
	}
	again := object.DeepCopy()
	again.SetName("")
	again.SetGenerateName("again-")
	if l.second, err = fill(ctx, e, object, again); err != nil {
		return err
	}
	e.Saw(check.Evidence{Object: "the token controller filled the Secret " + l.first.name + ": ca.crt, namespace and token"})
	e.Keep(l)
	return nil
}

// fill stores an object, as the learner wrote it as object, waits until the token
// controller has filled it, and starts a pod that mounts it.
func fill(ctx context.Context, e *check.Env, object, stored *unstructured.Unstructured) (l legacy, err error) {
	created, err := e.Create(ctx, stored)
	if refusal, refused := check.AsRefusal(err); refused {
		return l, &check.Failure{Want: "a Secret that the API server accepts", Got: refusal.Message, Hint: bindingHint(refusal.Message), Position: refusal.Position}
	}
	if err != nil {
		return l, err
	}
	fail := func(field, got, hint string) (legacy, error) {
		return l, &check.Failure{Want: "a Secret that the token controller can fill", Got: got, Hint: hint, Position: e.Position(object, field)}
	}
	if locked, _, _ := unstructured.NestedBool(object.Object, "immutable"); locked {
		return fail("immutable", "one that is immutable, and empty for good", "Leave immutable out: the controller writes the token into the Secret after it was created.")
	}
	var text string
	gone := false
	_, err = check.Eventually(ctx, tokenFilled, 20*time.Millisecond, func(ctx context.Context) (bool, error) {
		now, err := e.Client.CoreV1().Secrets(created.GetNamespace()).Get(ctx, created.GetName(), metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			gone = true
			return true, nil
		}
		if err == nil {
			text = string(now.Data[corev1.ServiceAccountTokenKey])
		}
		return text != "", err
	})
	switch {
	case err != nil:
		return l, next.Errorf("make status", "looking at the Secret: %w", err)
	case gone:
		return fail("metadata.annotations", "one that the controller deleted, because no account has the UID that it names", "Leave the annotation "+corev1.ServiceAccountUIDKey+" out: the controller writes it.")
	case text == "":
		return l, next.Errorf("make status", "waiting for the token controller to fill a Secret: not after %s", tokenFilled)
	}
	l.name = created.GetName()
	if l.token, err = check.ReadToken(text); err != nil {
		return l, next.Errorf("make status", "reading the token that the token controller wrote: %w", err)
	}
	l.pod, err = e.StartCaller(ctx, e.Namespaces.Of(Home), "default", check.Genuine, check.Mount{Path: legacyFolder, Secret: l.name})
	return l, err
}

// legacyCall is the learner's program, and the Secrets whose tokens it shows.
type legacyCall struct {
	legacies
	program *check.Program
}

func secretUsed(ctx context.Context, e *check.Env) error {
	both := check.Need[legacies](e, "secret.filled")
	l := both.first
	program, err := e.Program(ctx, "lab-10", "call")
	if err != nil {
		return err
	}
	made, err := witnessed(ctx, e, l.pod, program)
	if err != nil {
		return err
	}
	want := "list services in " + e.Namespaces.Of(Home) + ", as " + robot(e) + " by the token of the Secret"
	for _, r := range made.seen.Lists("services", e.Namespaces.Of(Home)).By(robot(e)) {
		if r.Annotations[legacySecret] == l.name {
			e.Keep(legacyCall{both, program})
			return made.run.Ended()
		}
	}
	if len(made.seen.By(account(e))) > 0 {
		return e.Submission.Explain(&check.Failure{Want: want, Got: made.seen.Summary(),
			Hint: "That was another token than the Secret's: show the one in " + legacyFolder + ".", Position: program.Position()}, program.Name)
	}
	return made.missed(e, want)
}

func secretBound(ctx context.Context, e *check.Env) error {
	object, err := onePod(ctx, e, secretPodFile)
	if err != nil {
		return err
	}
	pod, err := startPod(ctx, e, object)
	if err != nil {
		return e.Submission.Explain(err, secretPodFile)
	}
	l := learnerPod{object, pod, toolContainer(e, pod)}
	if err := l.callsAsRobot(ctx, e); err != nil {
		return e.Submission.Explain(err, secretPodFile)
	}
	token, err := l.read(ctx, e, check.ServiceAccountPath+"/token")
	if err != nil {
		return err
	}
	e.Keep(tokenPod{l, token})
	return nil
}

// callsAsRobot calls from the learner's pod, and looks at who that was.
func (l learnerPod) callsAsRobot(ctx context.Context, e *check.Env) error {
	seen, said, err := l.listsServices(ctx, e)
	if err != nil {
		return err
	}
	fail := func(got, hint, field string) error {
		return &check.Failure{Want: "a call from the pod, as " + robot(e) + " by a token that is bound to the pod", Got: got, Hint: hint, Position: e.Position(l.object, field)}
	}
	good := false
	for _, r := range seen {
		if by := r.Annotations[legacySecret]; by != "" {
			return fail("a call by the token of the Secret "+check.Printable(by, 100), "Leave the Secret out of this pod: Kubernetes mounts a token of its own making.", "spec.volumes")
		}
		good = good || r.User == robot(e) && r.PodUID == string(l.pod.UID) && r.Code == 403
	}
	switch {
	case good:
		return nil
	case len(seen) == 0:
		return fail("no call: "+said, "Leave "+check.ServiceAccountPath+" to Kubernetes, and automountServiceAccountToken as it is.", "spec")
	case len(seen.By(robot(e))) == 0 && len(seen.Answered(401)) == 0:
		return fail("a call as "+check.Printable(seen[0].User, 200), "A pod names its account in spec; one that names none runs as default.", "spec")
	}
	return fail(seen.Summary(), "Leave "+check.ServiceAccountPath+" to Kubernetes: it mounts a token for the API server that is bound to the pod.", "spec.volumes")
}

func secretAnswer(_ context.Context, e *check.Env) error {
	const file = "lab-10/answer.yaml"
	old, bound := check.Need[legacies](e, "secret.filled").first.token, check.Need[tokenPod](e, "secret.bound").token
	err := e.Answers(file, "as in the two tokens",
		check.Answer{Key: "legacy-issuer", Right: []string{old.Issuer}, Hint: "The claim iss of the Secret's token says it, letter by letter."},
		check.Answer{Key: "legacy-expires", Right: []string{ends(old)}, Hint: "A token ends at its claim exp. Look whether the Secret's token has one."},
		check.Answer{Key: "bound-issuer", Right: []string{bound.Issuer}, Hint: "The claim iss of the token in the pod says it, letter by letter."},
		check.Answer{Key: "bound-expires", Right: []string{ends(bound)}, Hint: "Subtract iat from exp, in the token that is in the pod itself: the API server gives such a token longer than it is asked for."},
		check.Answer{Key: "bound-to", Right: []string{bound.BoundTo}, Hint: "The claim kubernetes.io names the objects: the token ends with one of them, and its kind is asked for."})
	return e.Submission.Explain(err, file)
}

// ends is when a token ends, as the lab asks for it.
func ends(t *check.Token) string {
	seconds, ends := t.Lasts()
	if !ends {
		return "never"
	}
	return strconv.FormatInt(seconds, 10)
}

// secretRevoked deletes the Secrets, waits until the API server has noticed, and
// has the program show the token that ended before it was ever shown.
func secretRevoked(ctx context.Context, e *check.Env) error {
	l, robots := check.Need[legacyCall](e, "secret.used"), check.Need[tokenPod](e, "secret.bound")
	for _, secret := range []legacy{l.first, l.second} {
		if err := e.Client.CoreV1().Secrets(e.Namespaces.Of(Home)).Delete(ctx, secret.name, metav1.DeleteOptions{}); err != nil {
			return next.Errorf("make status", "deleting the Secret: %w", err)
		}
	}
	asked := 0
	ended, err := check.Eventually(ctx, check.TokenRemembered, 50*time.Millisecond, func(ctx context.Context) (bool, error) {
		asked++ // what it answers for one list of audiences it remembers for that list
		review, err := e.ReviewToken(ctx, l.second.token, slices.Concat(robots.token.Audiences, []string{fmt.Sprintf("asked-%d", asked)})...)
		return !review.Authenticated, err
	})
	if err != nil {
		return err
	}
	if !ended {
		return next.Errorf("make status", "waiting for a deleted Secret's token to end: not after %s", check.TokenRemembered)
	}
	again, err := witnessed(ctx, e, l.second.pod, l.program)
	if err != nil {
		return err
	}
	fail := func(got, hint string) error {
		return &check.Failure{Want: "after the Secret was deleted: list services with its token, answered 401, and no other call", Got: got, Hint: hint, Position: l.program.Position()}
	}
	lists := again.seen.Lists("services", e.Namespaces.Of(Home))
	switch accepted := len(lists) - len(lists.Answered(401)); {
	case len(lists) == 0:
		return fail(again.seen.Summary(), "Show the token that is in "+legacyFolder+" at each run, whether or not it is still good.")
	case accepted > 0:
		return fail(again.seen.Summary(), "When the token is refused, say so and end: another token is another caller.")
	}
	if err := again.run.Ended(); err != nil {
		return err
	}
	return robots.callsAsRobot(ctx, e)
}
