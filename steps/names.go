package steps

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	utilrand "k8s.io/apimachinery/pkg/util/rand"

	"rolecall/harness"
	"rolecall/harness/check"
	"rolecall/harness/next"
)

// Names is lab 7: one object, by its name, and a program that follows it.
func Names() harness.Lab {
	return harness.Lab{
		Slug: "names", Number: 7, Title: "Following one object by its name",
		Files:   []check.File{{Name: "role.yaml", Form: check.ManifestFile}, {Name: "follow", Form: check.ProgramFile}},
		Objects: []schema.GroupVersionKind{roleKind, roleBindingKind},
		Makes:   []schema.GroupVersionKind{configMapKind},
		Setup:   namesSetup,
		Checks: []harness.Check{
			{ID: "names.manifest", Points: 2, Run: namesManifest,
				Desc: "role.yaml holds only Roles and RoleBindings, in default"},
			{ID: "names.allows", Points: 3, Run: namesAllows, Needs: []string{"names.manifest"},
				Desc: "get and update of settings are allowed, and list and watch with the field selector metadata.name=settings"},
			{ID: "names.no-more", Points: 3, Run: namesNoMore, Needs: []string{"names.allows"},
				Desc: "no other ConfigMap, no list without that selector, no create, no delete, nothing else"},
			{ID: "names.prints", Points: 3, Run: namesPrints,
				Desc: "the program's first line is the value that is there, one that nobody could guess"},
			{ID: "names.follows", Points: 3, Run: namesFollows, Needs: []string{"names.prints"},
				Desc: "within 5 s of a change the new value is its next line, twice"},
			{ID: "names.by-name", Points: 3, Run: namesByName, Needs: []string{"names.prints"},
				Desc: "every request of the program's was for settings alone, and was allowed"},
			{ID: "names.stops", Points: 3, Run: namesStops, Needs: []string{"names.follows"},
				Desc: "SIGTERM ends it within 2 s with exit status 0"},
		},
	}
}

const (
	settingsFile = "lab-7/role.yaml"
	settings     = "settings" // the ConfigMap
	mode         = "mode"     // the key that is followed
	firstWithin  = 5 * time.Second
	nextWithin   = 5 * time.Second
	stopsWithin  = 2 * time.Second
)

// settingsRules are what lab 7 asks for.
var settingsRules = []rbacv1.PolicyRule{{
	APIGroups: []string{""}, Resources: []string{"configmaps"}, ResourceNames: []string{settings}, Verbs: []string{"get", "update", "list", "watch"},
}}

// namesScene is where lab 7 runs the program, and the first value.
type namesScene struct {
	pod   *check.Caller
	value string
}

func namesSetup(ctx context.Context, e *check.Env) error {
	scene := namesScene{value: newValue()}
	if err := startCallers(ctx, e, start{&scene.pod, Home, check.Genuine}); err != nil {
		return err
	}
	_, err := e.Client.CoreV1().ConfigMaps(e.Namespaces.Of(Home)).Create(ctx, &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: settings, Labels: map[string]string{check.RunLabel: e.Run}},
		Data:       map[string]string{"colour": "blue", mode: scene.value},
	}, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return next.Errorf(`make kubectl ARGS="delete configmap settings"`, "making the ConfigMap %s: there is one already, which no lab created", settings)
	}
	if err != nil {
		return next.Errorf("make status", "making the ConfigMap %s: %w", settings, err)
	}
	e.Keep(scene)
	return nil
}

func newValue() string { return "mode-" + utilrand.String(12) }

// guessed are values that were drawn for a run: a message is the same at each run.
var guessed = regexp.MustCompile(`mode-[a-z0-9]{12}`)

func namesManifest(ctx context.Context, e *check.Env) error {
	objects, err := readGrants(ctx, e, check.Wanted{
		File: settingsFile, Want: "Roles and RoleBindings, in the namespace default",
		Kinds: []schema.GroupVersionKind{roleKind, roleBindingKind}, Namespaces: home(e),
		Hint: "Only Role and RoleBinding are needed: settings is there already, and the account, too.",
	})
	if err != nil {
		return err
	}
	e.Keep(objects)
	return nil
}

func namesAllows(ctx context.Context, e *check.Env) error {
	ask := asked{who: subject(e), as: rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Name: "default", Namespace: "default"}, in: []area{{namespace: e.Namespaces.Of(Home), rules: settingsRules}}}
	made, err := ask.give(ctx, e, check.Need[[]*unstructured.Unstructured](e, "names.manifest"))
	if err != nil {
		return err
	}
	e.Keep(made)
	return e.Submission.Explain(made.allows(ctx, e), settingsFile)
}

func namesNoMore(ctx context.Context, e *check.Env) error {
	made := check.Need[*made](e, "names.allows")
	if err := made.noMore(ctx, e); err != nil {
		return err
	}
	return made.reachesOnly(e)
}

// following is one run of the program, and what became of the values.
type following struct {
	program *check.Program
	values  []string // that were there, one after the other
	missed  error    // the first change that it did not print
	early   error    // it ended before it was asked to
	run     *check.Run
	seen    check.Requests
}

// namesPrints runs the program, with a grant of the lab's beside the learner's, so
// that a mistake in either file costs its own points. One run shows all that the
// program does.
func namesPrints(ctx context.Context, e *check.Env) error {
	program, err := e.Program(ctx, "lab-7", "follow")
	if err == nil {
		err = e.NeedsAudit()
	}
	if err == nil {
		err = grantSettings(ctx, e)
	}
	if err != nil {
		return err
	}
	scene := check.Need[namesScene](e, check.Setup)
	f := &following{program: program, values: []string{scene.value}}
	var printed error
	seen, err := e.Witness(ctx, func() error {
		running, err := e.StartIn(ctx, scene.pod, program)
		if err != nil {
			return err
		}
		if printed, err = f.nextIs(ctx, running, 0, firstWithin); err == nil && printed == nil {
			f.missed, err = f.follow(ctx, e, running)
		}
		if err != nil {
			return err
		}
		f.early = running.GoesOn()
		f.run, err = running.Stop(ctx, stopsWithin)
		return err
	})
	if err != nil {
		return err
	}
	f.seen = seen.From(scene.pod.IP)
	e.Saw(f.seen.Evidence()...)
	e.Keep(f)
	return f.explained(e, printed, "the value of the key mode as the first line")
}

// silence is how the failure of a program begins that printed nothing.
const silence = "no line"

// nextIs fails the program where its line of that number is not the value that is
// there now.
func (f *following) nextIs(ctx context.Context, running *check.Running, number int, within time.Duration) (missed, err error) {
	written, err := running.Await(ctx, within, func(lines []check.Line) bool { return len(lines) > number })
	if err != nil {
		return nil, err
	}
	if !written {
		if ended := running.GoesOn(); ended != nil {
			return ended, nil
		}
		return &check.Failure{Got: fmt.Sprintf(silence+" within %g s", within.Seconds()), Position: f.program.Position(),
			Hint: "Whatever is between the answer and the program's output must let each line through at once: curl has --no-buffer, and many tools collect lines until they have 4096 bytes."}, nil
	}
	now, line := f.values[len(f.values)-1], running.Lines()[number].Text
	if line == now {
		return nil, nil
	}
	failure := &check.Failure{Got: "the line " + strconv.Quote(check.Printable(line, 60)), Hint: "Print the value alone: no key, no quotes, no other text on stdout.", Position: f.program.Position()}
	if slices.Contains(f.values, line) {
		failure.Got += ", the value from before the change"
		failure.Hint = "Not every change of the object is one of this key: print a value only where it differs from the last one."
	}
	return failure, nil
}

// follow changes the value twice, and something else in between.
func (f *following) follow(ctx context.Context, e *check.Env, running *check.Running) (missed, err error) {
	for _, other := range []string{"", "colour"} {
		printed, value := len(running.Lines()), newValue()
		f.values = append(f.values, value)
		for _, key := range []string{other, mode} {
			if key == "" {
				continue
			}
			if missed, err := f.change(ctx, e, key, value); missed != nil || err != nil {
				return missed, err
			}
		}
		if missed, err := f.nextIs(ctx, running, printed, nextWithin); missed != nil || err != nil {
			return missed, err
		}
	}
	return nil, nil
}

// change gives a key of settings another value. Where that is impossible the program has done
// something to the object.
func (f *following) change(ctx context.Context, e *check.Env, key, value string) (missed, err error) {
	patch := fmt.Appendf(nil, `{"data":{%q:%q}}`, key, value)
	_, err = e.Client.CoreV1().ConfigMaps(e.Namespaces.Of(Home)).Patch(ctx, settings, types.MergePatchType, patch, metav1.PatchOptions{})
	if apierrors.IsNotFound(err) || apierrors.IsInvalid(err) {
		return &check.Failure{Got: "the ConfigMap settings cannot be changed any more: " + check.Printable(err.Error(), 200),
			Hint: "The program is to read settings, and to leave it as it is.", Position: f.program.Position()}, nil
	}
	if err != nil {
		return nil, next.Errorf("make status", "changing the ConfigMap %s: %w", settings, err)
	}
	return nil, nil
}

// explained adds to a failure of the program what was wanted of it, and what is
// known of the reason.
func (f *following) explained(e *check.Env, err error, want string) error {
	failure, missed := check.AsFailure(err)
	if !missed {
		return err
	}
	failure.Want = want
	watched := slices.ContainsFunc(f.seen, func(r check.Request) bool { return r.Verb == "watch" })
	silent := strings.HasPrefix(failure.Got, silence)
	switch trouble := f.run.Trouble(); {
	case trouble != nil:
		failure.Got, failure.Hint, failure.Position = failure.Got+"; "+trouble.What, trouble.Hint, trouble.Position
	case len(f.seen.Answered(200)) == 0:
		failure.Got += "; " + f.seen.Summary()
		if len(f.seen.Answered(403)) > 0 {
			failure.Hint = "The account may read one object: ask for it by its name in the path, or with a field selector, and not for all ConfigMaps."
		}
	case silent && !watched:
		failure.Hint = "Ask again, so often that no change is seen too late; or watch, which tells of each change at once."
	case silent && len(f.values) == 1:
		failure.Hint = "The value that is there is told by a list, or by a watch that begins without a resourceVersion; one that has it tells only what comes after. And see that nothing holds the line back."
	}
	failure.Got = guessed.ReplaceAllString(failure.Got, "mode-…")
	return e.Submission.Explain(failure, f.program.Name)
}

// grantSettings makes the reference grant: what lab 7 asks for.
func grantSettings(ctx context.Context, e *check.Env) error {
	namespace := e.Namespaces.Of(Home)
	meta := metav1.ObjectMeta{Name: "follows-settings-" + utilrand.String(5), Labels: map[string]string{check.RunLabel: e.Run}}
	_, err := e.Client.RbacV1().Roles(namespace).Create(ctx, &rbacv1.Role{ObjectMeta: meta, Rules: settingsRules}, metav1.CreateOptions{})
	if err == nil {
		_, err = e.Client.RbacV1().RoleBindings(namespace).Create(ctx, &rbacv1.RoleBinding{
			ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: meta.Name},
			Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: "default", Namespace: namespace}},
		}, metav1.CreateOptions{})
	}
	if err != nil {
		return next.Errorf("make status", "granting access to %s for the lab: %w", settings, err)
	}
	watch := check.Permission{Verb: "watch", Resource: "configmaps", Name: settings}
	open, err := check.Eventually(ctx, check.AccessSettles, settles, func(ctx context.Context) (bool, error) {
		allowed, _, err := e.Allowed(ctx, subject(e), watch, namespace)
		return allowed, err
	})
	if err == nil && !open {
		err = next.Errorf("make status", "waiting for the authorizer to see the lab's grant: not after %s", check.AccessSettles)
	}
	return err
}

func namesFollows(_ context.Context, e *check.Env) error {
	f := check.Need[*following](e, "names.prints")
	e.Saw(f.run.Evidence())
	e.Keep(f)
	if f.missed == nil {
		f.missed = f.early
	}
	return f.explained(e, f.missed, "within 5 s of a change of mode the new value as the next line, twice, and no line for any other change")
}

func namesByName(_ context.Context, e *check.Env) error {
	f := check.Need[*following](e, "names.prints")
	for _, r := range f.seen {
		if r.Resource == "configmaps" && r.Namespace == e.Namespaces.Of(Home) && r.Name == settings && r.Decision == "allow" {
			continue
		}
		e.Saw(check.Requests{r}.Evidence()...)
		failure := &check.Failure{Want: "requests for the ConfigMap settings and for nothing else, each allowed", Got: r.String(), Position: f.program.Position(),
			Hint: "Leave that request out: nothing else is needed to follow one object."}
		switch {
		case r.Resource == "configmaps" && r.Name == "":
			failure.Hint = "A list or a watch is for one object where its field selector names it, and for all of them otherwise."
		case r.User != account(e):
			failure.Hint = "Send the token with each request."
		}
		if r.Name != "" {
			failure.Got += " (" + check.Printable(r.Name, 100) + ")"
		}
		return failure
	}
	return nil
}

func namesStops(_ context.Context, e *check.Env) error {
	f := check.Need[*following](e, "names.follows")
	e.Saw(f.run.Evidence())
	return f.run.Stopped(stopsWithin)
}
