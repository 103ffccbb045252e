package steps

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilrand "k8s.io/apimachinery/pkg/util/rand"

	"rolecall/harness"
	"rolecall/harness/check"
)

// Success is lab 5: the same call, allowed, and its answer put to use.
func Success() harness.Step {
	s := &success{}
	return harness.Step{
		Slug: "success", Lab: 5, Title: "Listing the services",
		Setup: s.setup,
		Checks: []harness.Check{
			{ID: "success.allowed", Points: 5, Run: s.allowed,
				Desc: "the API server allowed list services to this pod's service account, by a RoleBinding"},
			{ID: "success.complete", Points: 5, Run: s.complete, Needs: []string{"success.allowed"},
				Desc: "the lines are exactly the services that exist, one of them planted under a name nobody could guess"},
			{ID: "success.live", Points: 5, Run: s.live, Needs: []string{"success.complete"},
				Desc: "run again after a service came and another went, the lines follow"},
			{ID: "success.refused", Points: 5, Run: s.refused, Needs: []string{"success.allowed"},
				Desc: "in a namespace without the binding: exit status 3, no names"},
		},
	}
}

// success is what the checks of lab 5 share.
type success struct {
	home, elsewhere *check.Caller

	program *check.Program
	run     *check.Run // in the learner's namespace
	planted string
}

func (s *success) setup(ctx context.Context, e *check.Env) (err error) {
	if s.home, err = e.StartCaller(ctx, e.Namespaces.Home, check.Genuine); err != nil {
		return err
	}
	if s.elsewhere, err = e.StartCaller(ctx, e.Namespaces.Elsewhere, check.Genuine); err != nil {
		return err
	}
	if s.planted, err = plant(ctx, e); err != nil {
		return err
	}
	return bindView(ctx, e)
}

// bindView makes the reference binding: what lab 4 asks for.
func bindView(ctx context.Context, e *check.Env) error {
	_, err := e.Client.RbacV1().RoleBindings(e.Namespaces.Home).Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "default-views-", Labels: map[string]string{check.RunLabel: e.Run}},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Name: "default", Namespace: e.Namespaces.Home}},
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("binding view for the lab: %w; type make status", err)
	}
	return opens(ctx, e)
}

// opens waits until the authorizer lets the account list services.
func opens(ctx context.Context, e *check.Env) error {
	list := check.Permission{Verb: "list", Resource: "services"}
	open, err := check.Eventually(ctx, check.AccessSettles, 50*time.Millisecond, func(ctx context.Context) (bool, error) {
		allowed, _, err := e.Allowed(ctx, check.ServiceAccount(e.Namespaces.Home, "default"), list, e.Namespaces.Home)
		return allowed, err
	})
	if err == nil && !open {
		err = fmt.Errorf("waiting for the authorizer to see the binding: not after %s; type make status", check.AccessSettles)
	}
	return err
}

// plant makes a service under a name nobody could guess. It has a named port
// and a label, so that a program which takes any name for a service's is found.
func plant(ctx context.Context, e *check.Env) (string, error) {
	service, err := e.Client.CoreV1().Services(e.Namespaces.Home).Create(ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{
			Name:   "svc-" + utilrand.String(12),
			Labels: map[string]string{check.RunLabel: e.Run, "name": "not-a-service"},
		},
		Spec: corev1.ServiceSpec{ClusterIP: corev1.ClusterIPNone, Ports: []corev1.ServicePort{{Name: "not-a-service", Port: 80}}},
	}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("planting a service: %w; type make status", err)
	}
	return service.Name, nil
}

func (s *success) allowed(ctx context.Context, e *check.Env) (err error) {
	if s.program, err = e.Program(ctx, "lab-5", "list"); err != nil {
		return err
	}
	run, seen, err := witnessed(ctx, e, s.home, check.Genuine, s.program)
	if err != nil {
		return err
	}
	if len(successes(e, seen)) == 0 {
		return &check.Failure{
			Want: fmt.Sprintf("list services in %s, allowed to %s by a RoleBinding", e.Namespaces.Home, account(e)),
			Got:  seen.Summary(),
			Hint: callHint(seen),
		}
	}
	s.run = run
	return nil
}

// successes are the requests that lab 5 is about.
func successes(e *check.Env, seen check.Requests) check.Requests {
	var allowed check.Requests
	for _, r := range seen.Lists("services", e.Namespaces.Home).By(account(e)).Answered(200) {
		if r.Decision == "allow" && strings.Contains(r.Reason, "allowed by RoleBinding") {
			allowed = append(allowed, r)
		}
	}
	return allowed
}

func (s *success) complete(ctx context.Context, e *check.Env) error {
	return printsServices(ctx, e, s.run)
}

// printsServices compares a program's lines with the services that exist.
func printsServices(ctx context.Context, e *check.Env, run *check.Run) error {
	if err := run.Ended(); err != nil {
		return err
	}
	services, err := e.Client.CoreV1().Services(e.Namespaces.Home).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("listing the services: %w; type make status", err)
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
	want := fmt.Sprintf("the names of the %d services that exist, one a line, and exit status 0", len(exist))
	for _, name := range exist {
		if !slices.Contains(printed, name) {
			return &check.Failure{Want: want, Got: fmt.Sprintf("%d lines, without the service %s; %s", len(printed), name, run.Told()), Hint: "Take the names from the answer to each call: every item's metadata.name."}
		}
	}
	for i, line := range printed {
		if !slices.Contains(exist, line) {
			return &check.Failure{Want: want, Got: fmt.Sprintf("a line that names no service: %q", check.Printable(line, 120)), Hint: "Print metadata.name of each item only: no heading, no ports, no other text on stdout."}
		}
		if i > 0 && printed[i-1] == line {
			return &check.Failure{Want: want, Got: "the service " + line + " twice", Hint: "Print each item's metadata.name once."}
		}
	}
	if run.ExitStatus != 0 {
		return &check.Failure{Want: want, Got: run.Told(), Hint: "End with 0 when the call was answered 2xx."}
	}
	return nil
}

func (s *success) live(ctx context.Context, e *check.Env) error {
	if _, err := plant(ctx, e); err != nil {
		return err
	}
	if err := e.Client.CoreV1().Services(e.Namespaces.Home).Delete(ctx, s.planted, metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("taking the planted service away: %w; type make status", err)
	}
	run, _, err := witnessed(ctx, e, s.home, check.Genuine, s.program)
	if err != nil {
		return err
	}
	err = printsServices(ctx, e, run)
	if failure, ok := check.AsFailure(err); ok {
		failure.Want = "at the second run, after one service came and another went: " + failure.Want
		failure.Hint = "Ask the API server at each run and keep nothing from the last one."
	}
	return err
}

func (s *success) refused(ctx context.Context, e *check.Env) error {
	run, _, err := witnessed(ctx, e, s.elsewhere, check.Genuine, s.program)
	if err != nil {
		return err
	}
	if err := run.Ended(); err != nil {
		return err
	}
	if run.ExitStatus != 3 || strings.TrimSpace(run.Stdout) != "" {
		return &check.Failure{
			Want: "in a namespace without the binding: exit status 3 and no names on stdout",
			Got:  run.Told(),
			Hint: "Look at the status before you print: 403 prints nothing and ends with 3.",
		}
	}
	return nil
}
