package steps

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilrand "k8s.io/apimachinery/pkg/util/rand"

	"rolecall/harness"
	"rolecall/harness/check"
	"rolecall/harness/next"
)

// Success is lab 5: the same call, allowed, and its answer put to use.
func Success() harness.Lab {
	return harness.Lab{
		Slug: "success", Number: 5, Title: "Listing the services",
		Files: []check.File{{Name: "list", Form: check.ProgramFile}},
		Makes: []schema.GroupVersionKind{serviceKind, roleBindingKind},
		Setup: successSetup,
		Checks: []harness.Check{
			{ID: "success.allowed", Points: 5, Run: successAllowed,
				Desc: "the API server allowed list services to this pod's service account, by a RoleBinding"},
			{ID: "success.complete", Points: 5, Run: successComplete, Needs: []string{"success.allowed"},
				Desc: "the lines are exactly the services that exist, one of them planted under a name nobody could guess"},
			{ID: "success.live", Points: 5, Run: successLive, Needs: []string{"success.complete"},
				Desc: "run again after a service came and another went, the lines follow"},
			{ID: "success.refused", Points: 5, Run: successRefused, Needs: []string{"success.allowed"},
				Desc: "in a namespace without the binding: exit status 3, no names"},
		},
	}
}

// successScene is where lab 5 runs the program: pods with and without the
// binding, and the service that was planted.
type successScene struct {
	home, elsewhere *check.Caller
	planted         string
}

func successSetup(ctx context.Context, e *check.Env) (err error) {
	var scene successScene
	err = startCallers(ctx, e,
		start{&scene.home, Home, check.Genuine},
		start{&scene.elsewhere, Elsewhere, check.Genuine})
	if err != nil {
		return err
	}
	if scene.planted, err = plant(ctx, e); err != nil {
		return err
	}
	e.Keep(scene)
	return bindView(ctx, e)
}

// bindView makes the reference binding: what lab 4 asks for.
func bindView(ctx context.Context, e *check.Env) error {
	_, err := e.Client.RbacV1().RoleBindings(e.Namespaces.Of(Home)).Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "default-views-", Labels: map[string]string{check.RunLabel: e.Run}},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Name: "default", Namespace: e.Namespaces.Of(Home)}},
	}, metav1.CreateOptions{})
	if err != nil {
		return next.Errorf("make status", "binding view for the lab: %w", err)
	}
	return opens(ctx, e)
}

// opens waits until the authorizer lets the account list services.
func opens(ctx context.Context, e *check.Env) error {
	list := check.Permission{Verb: "list", Resource: "services"}
	open, err := check.Eventually(ctx, check.AccessSettles, 50*time.Millisecond, func(ctx context.Context) (bool, error) {
		allowed, _, err := e.Allowed(ctx, check.ServiceAccount(e.Namespaces.Of(Home), "default"), list, e.Namespaces.Of(Home))
		return allowed, err
	})
	if err == nil && !open {
		err = next.Errorf("make status", "waiting for the authorizer to see the binding: not after %s", check.AccessSettles)
	}
	return err
}

// plant makes a service under a name nobody could guess. It has a named port
// and a label, so that a program which takes any name for a service's is found.
func plant(ctx context.Context, e *check.Env) (string, error) {
	service, err := e.Client.CoreV1().Services(e.Namespaces.Of(Home)).Create(ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{
			Name:   "svc-" + utilrand.String(12),
			Labels: map[string]string{check.RunLabel: e.Run, "name": "not-a-service"},
		},
		Spec: corev1.ServiceSpec{ClusterIP: corev1.ClusterIPNone, Ports: []corev1.ServicePort{{Name: "not-a-service", Port: 80}}},
	}, metav1.CreateOptions{})
	if err != nil {
		return "", next.Errorf("make status", "planting a service: %w", err)
	}
	return service.Name, nil
}

func successAllowed(ctx context.Context, e *check.Env) error {
	program, err := e.Program(ctx, "lab-5", "list")
	if err != nil {
		return err
	}
	made, err := witnessed(ctx, e, check.Need[successScene](e, check.Setup).home, program)
	if err != nil {
		return err
	}
	if len(successes(e, made.seen)) == 0 {
		return made.missed(e, fmt.Sprintf("list services in %s, allowed to %s by a RoleBinding", e.Namespaces.Of(Home), account(e)))
	}
	e.Keep(made)
	return nil
}

// successes are the requests that lab 5 is about.
func successes(e *check.Env, seen check.Requests) check.Requests {
	var allowed check.Requests
	for _, r := range seen.Lists("services", e.Namespaces.Of(Home)).By(account(e)).Answered(200) {
		if r.Decision == "allow" && strings.Contains(r.Reason, "allowed by RoleBinding") {
			allowed = append(allowed, r)
		}
	}
	return allowed
}

func successComplete(ctx context.Context, e *check.Env) error {
	run := check.Need[*call](e, "success.allowed").run
	e.Keep(run.Program)
	e.Saw(run.Evidence())
	return printsServices(ctx, e, run)
}

// planted are the names that plant makes. A message is the same at each run.
var planted = regexp.MustCompile(`svc-[a-z0-9]{12}`)

// printsServices compares a program's lines with the services that exist.
func printsServices(ctx context.Context, e *check.Env, run *check.Run) error {
	if err := run.Ended(); err != nil {
		return err
	}
	services, err := e.Client.CoreV1().Services(e.Namespaces.Of(Home)).List(ctx, metav1.ListOptions{})
	if err != nil {
		return next.Errorf("make status", "listing the services: %w", err)
	}
	var exist, printed []string
	for _, s := range services.Items {
		exist = append(exist, s.Name)
	}
	for line := range strings.Lines(run.Stdout) {
		if line = strings.TrimSpace(line); line != "" {
			printed = append(printed, line)
		}
	}
	slices.Sort(exist)
	slices.Sort(printed)
	e.Saw(check.Evidence{Object: "the services that exist: " + strings.Join(exist, ", ")})
	fail := func(got, hint string) error {
		at := run.Program.Position()
		if trouble := run.Trouble(); trouble != nil {
			hint, at = trouble.Hint, trouble.Position
		}
		return &check.Failure{
			Want: fmt.Sprintf("the names of the %d services that exist, one per line, and exit status 0", len(exist)),
			Got:  planted.ReplaceAllString(got, "svc-…"),
			Hint: hint, Position: at,
		}
	}
	for _, name := range exist {
		if !slices.Contains(printed, name) {
			return fail(fmt.Sprintf("no line with the service %s; %s", name, run.Describe()), "Take the names from the answer to each call: every item's metadata.name.")
		}
	}
	for i, line := range printed {
		if !slices.Contains(exist, line) {
			return fail(fmt.Sprintf("a line that names no service: %q", check.Printable(line, 120)), "Print metadata.name of each item only: no heading, no ports, no other text on stdout.")
		}
		if i > 0 && printed[i-1] == line {
			return fail("the service "+line+" twice", "Print each item's metadata.name once.")
		}
	}
	if run.ExitStatus != 0 {
		return fail(run.Describe(), "End with 0 when the call was answered 2xx.")
	}
	return nil
}

func successLive(ctx context.Context, e *check.Env) error {
	scene := check.Need[successScene](e, check.Setup)
	if _, err := plant(ctx, e); err != nil {
		return err
	}
	if err := e.Client.CoreV1().Services(e.Namespaces.Of(Home)).Delete(ctx, scene.planted, metav1.DeleteOptions{}); err != nil {
		return next.Errorf("make status", "deleting the planted service: %w", err)
	}
	again, err := witnessed(ctx, e, scene.home, check.Need[*check.Program](e, "success.complete"))
	if err != nil {
		return err
	}
	err = printsServices(ctx, e, again.run)
	if failure, ok := check.AsFailure(err); ok {
		failure.Want = "at the second run, after one service was created and another deleted: " + failure.Want
		failure.Hint = "Ask the API server at each run and keep nothing from the last one."
	}
	return err
}

func successRefused(ctx context.Context, e *check.Env) error {
	namespace := e.Namespaces.Of(Elsewhere)
	made, err := witnessed(ctx, e, check.Need[successScene](e, check.Setup).elsewhere, check.Need[*call](e, "success.allowed").run.Program)
	if err != nil {
		return err
	}
	if err := made.run.Ended(); err != nil {
		return err
	}
	if len(made.seen.Lists("services", namespace).Answered(403)) == 0 {
		return &check.Failure{
			Want: fmt.Sprintf("in a pod of the namespace %s: list services in %s, refused (403)", namespace, namespace),
			Got:  made.seen.Summary(),
			Hint: "Ask for the services of the pod's own namespace, at each run: read its name from " + check.ServiceAccountPath + "/namespace.",
		}
	}
	if made.run.ExitStatus != 3 || strings.TrimSpace(made.run.Stdout) != "" {
		return &check.Failure{
			Want: "in a namespace without the binding: exit status 3 and no names on stdout",
			Got:  made.run.Describe(),
			Hint: "Look at the status before you print: 403 prints nothing and ends with 3.",
		}
	}
	return nil
}
