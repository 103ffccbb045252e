package steps

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"rolecall/harness"
	"rolecall/harness/check"
	"rolecall/harness/next"
)

// RoleBinding is lab 4: all that the ClusterRole view grants, to one account,
// in one namespace.
func RoleBinding() harness.Lab {
	return harness.Lab{
		Slug: "rolebinding", Number: 4, Title: "Granting view in one namespace",
		Files:   []check.File{{Name: "rolebinding.yaml", Form: check.ManifestFile}},
		Objects: []schema.GroupVersionKind{roleKind, roleBindingKind},
		Checks: []harness.Check{
			{ID: "rolebinding.manifest", Points: 4, Run: bindingManifest,
				Desc: "rolebinding.yaml holds known kinds and fields only, no duplicate key, everything in default"},
			{ID: "rolebinding.namespaced", Points: 4, Run: bindingNamespaced, Needs: []string{"rolebinding.manifest"},
				Desc: "no ClusterRoleBinding or ClusterRole: the grant ends at the namespace's edge"},
			{ID: "rolebinding.allows-view", Points: 4, Run: bindingAllowsView, Needs: []string{"rolebinding.namespaced"},
				Desc: "every verb and resource of view is allowed to the service account default in default"},
			{ID: "rolebinding.no-more", Points: 4, Run: bindingNoMore, Needs: []string{"rolebinding.allows-view"},
				Desc: "nothing beyond view is allowed in default, and nothing at all elsewhere or cluster-wide"},
			{ID: "rolebinding.only-default", Points: 4, Run: bindingOnlyDefault, Needs: []string{"rolebinding.allows-view"},
				Desc: "no other service account, group or user gained anything"},
		},
	}
}

const bindingFile = "lab-4/rolebinding.yaml"

// binding is what a learner's objects give, once they are in the cluster.
type binding struct {
	objects []*unstructured.Unstructured // as they were created
	grants  []grant
	view    []rbacv1.PolicyRule
	before  map[string][]rbacv1.PolicyRule // what the account could do, by namespace
}

func bindingManifest(ctx context.Context, e *check.Env) error {
	objects, err := readGrants(ctx, e, check.Wanted{
		File: bindingFile, Want: "Roles and RoleBindings of rbac.authorization.k8s.io/v1, in the namespace default",
		Kinds:      []schema.GroupVersionKind{roleKind, roleBindingKind, clusterRoleKind, clusterRoleBindingKind},
		Namespaces: home(e),
		Hint:       "Only Role and RoleBinding are needed; check the spelling of apiVersion and kind.",
	})
	if err != nil {
		return err
	}
	e.Keep(objects)
	return nil
}

// bindingHint is what to do about the API server's refusal of an object.
func bindingHint(message string) string {
	switch {
	case strings.HasSuffix(message, "a map where a list belongs"):
		return "Begin each entry of a list with a dash, as in - kind: ServiceAccount."
	case strings.Contains(message, "Unsupported value"):
		return "Write one of the supported values that the message names."
	}
	return "The message names the field as you wrote it; compare its spelling (capitals count), its place and its indentation."
}

// relocate makes the namespaces that subjects name those of this cluster: on an
// existing one the lab has namespaces of its own. names are as learners write them,
// and as they are called here.
func relocate(object *unstructured.Unstructured, names map[string]string) {
	subjects, _, _ := unstructured.NestedSlice(object.Object, "subjects")
	for _, subject := range subjects {
		fields, isMap := subject.(map[string]any)
		if !isMap {
			continue
		}
		name, _ := fields["name"].(string)
		in, _ := fields["namespace"].(string)
		for written, called := range names {
			if in == written {
				fields["namespace"] = called
			}
			if of, isAccount := strings.CutPrefix(name, check.ServiceAccount(written, "").User); isAccount {
				fields["name"] = check.ServiceAccount(called, of).User
			}
		}
	}
	if subjects != nil {
		_ = unstructured.SetNestedSlice(object.Object, subjects, "subjects") // it was a slice before
	}
}

func bindingNamespaced(_ context.Context, e *check.Env) error {
	objects := check.Need[[]*unstructured.Unstructured](e, "rolebinding.manifest")
	for _, object := range objects {
		if kind := object.GroupVersionKind(); kind == clusterRoleKind || kind == clusterRoleBindingKind {
			return &check.Failure{
				Want: "Roles and RoleBindings only",
				Got:  "a " + kind.Kind + " named " + check.Printable(object.GetName(), 100),
				Hint: "A RoleBinding may refer to the ClusterRole view, which exists already; the grant then ends at the binding's namespace.",

				Position: e.Position(object, "kind"),
			}
		}
	}
	e.Keep(objects)
	return nil
}

// shortly is how long to wait for the authorizer to allow what the objects, as
// they read, do not grant.
const shortly = time.Second

func bindingAllowsView(ctx context.Context, e *check.Env) error {
	b, who, home := binding{objects: check.Need[[]*unstructured.Unstructured](e, "rolebinding.namespaced")}, subject(e), e.Namespaces.Of(Home)
	var err error
	if b.view, err = e.RulesOf(ctx, "view"); err != nil {
		return err
	}
	b.before = map[string][]rbacv1.PolicyRule{}
	for _, ns := range []string{home, e.Namespaces.Of(Elsewhere)} {
		if b.before[ns], err = e.RulesFor(ctx, who, ns); err != nil {
			return err
		}
	}
	access := check.Access{Subject: who.User, Namespace: home, Limit: check.Grant{Role: "ClusterRole view", Rules: b.view}}
	if access.Before, err = e.GrantsTo(ctx, who, home); err != nil {
		return err
	}
	created, err := bind(ctx, e, b.objects)
	if err != nil {
		return err
	}
	if b.grants, err = grants(ctx, e, b.objects, created); err != nil {
		return err
	}
	effect, err := check.Compare(ctx, who.User+" in "+home, b.view, granted(who, b.grants), others(b.grants, func(s rbacv1.Subject, namespace string) bool { return named(who, s, namespace) }))
	if err != nil {
		return err
	}
	e.Saw(check.Evidence{Effect: effect})
	missing := check.Permissions(b.view)
	all := len(missing)
	lacks := len(check.Missing(missing, granted(who, b.grants)))
	began := time.Now()
	_, err = check.Eventually(ctx, check.AccessSettles, 100*time.Millisecond, func(ctx context.Context) (bool, error) {
		allowed, err := e.RulesFor(ctx, who, home)
		if err != nil {
			return false, err
		}
		missing = check.Missing(missing, allowed)
		return len(missing) == 0 || len(missing) <= lacks && time.Since(began) >= shortly, nil
	})
	if err != nil {
		return err
	}
	if access.After, err = e.GrantsTo(ctx, who, home); err != nil {
		return err
	}
	e.Saw(access.Evidence())
	e.Saw(check.Evidence{Object: fmt.Sprintf("the authorizer allows %d of the %d permissions of view to %s in %s", all-len(missing), all, who.User, home)})
	switch {
	case len(missing) == 0:
		e.Keep(b)
		return nil
	case lacks == 0:
		return next.Errorf("make status", "waiting for the authorizer to allow what the objects grant: it denies %s after %s", missing[0], check.AccessSettles)
	}
	wrong, err := mistake(ctx, e, b.grants)
	if err != nil {
		return err
	}
	if wrong == nil {
		wrong = &check.Failure{
			Got:  fmt.Sprintf("%d of %d are denied, %s among them", len(missing), all, missing[0]),
			Hint: "Bind the ClusterRole view itself, or grant all that make kubectl ARGS=\"describe clusterrole view\" shows.",
		}
	}
	wrong.Want = fmt.Sprintf("all %d permissions of the ClusterRole view, for %s", all, who.User)
	return e.Submission.Explain(wrong, bindingFile)
}

// bind stores the learner's objects, and returns them as they were stored.
func bind(ctx context.Context, e *check.Env, objects []*unstructured.Unstructured) (created []*unstructured.Unstructured, err error) {
	for _, object := range objects {
		stored, err := e.Create(ctx, object)
		if refusal, refused := check.AsRefusal(err); refused {
			return nil, &check.Failure{Want: "objects that the API server accepts", Got: refusal.Message, Hint: "The message is the API server's; it names what it does not accept.", Position: refusal.Position}
		}
		if err != nil {
			return nil, err
		}
		created = append(created, stored)
	}
	return created, nil
}

// bindingNoMore walks the rules that the learner's bindings give to the
// account, and then asks the authorizer whether it agrees.
func bindingNoMore(ctx context.Context, e *check.Env) error {
	b, who := check.Need[binding](e, "rolebinding.allows-view"), subject(e)
	for _, g := range b.grants {
		more, err := check.Beyond(ctx, b.view, g.rules)
		if err != nil {
			return err
		}
		if more != nil && g.reaches(who) {
			e.Saw(check.Evidence{Object: g.String()})
			return &check.Failure{
				Want: "nothing beyond the ClusterRole view",
				Got:  fmt.Sprintf("RoleBinding %s also allows: %s", g.name(), check.RulesText(more)),
				Hint: "Bind the ClusterRole view: it reads, it changes nothing, and it shows no Secrets.",

				Position: e.Position(g.object, "roleRef.name"),
			}
		}
	}
	for _, ns := range []string{e.Namespaces.Of(Home), e.Namespaces.Of(Elsewhere)} {
		now, err := e.RulesFor(ctx, who, ns)
		if err != nil {
			return err
		}
		limit := b.before[ns]
		if ns == e.Namespaces.Of(Home) {
			limit = slices.Concat(limit, b.view)
		}
		more, err := check.Beyond(ctx, limit, now)
		if err != nil {
			return err
		}
		if more != nil {
			return next.Errorf("make reset", "comparing access in %s: the authorizer allows %s, which no object of the lab grants", ns, check.RulesText(more))
		}
	}
	e.Saw(check.Evidence{Object: "the authorizer's rules for " + who.User + " are those of view, and elsewhere what they were before"})
	return nil
}

func bindingOnlyDefault(_ context.Context, e *check.Env) error {
	for _, g := range check.Need[binding](e, "rolebinding.allows-view").grants {
		for i, s := range g.binding.Subjects {
			if named(subject(e), s, g.binding.Namespace) || len(g.rules) == 0 {
				continue
			}
			e.Saw(check.Evidence{Object: g.String()})
			return &check.Failure{
				Want: "the service account default of the namespace default, and nobody else",
				Got:  fmt.Sprintf("RoleBinding %s also reaches %s", g.name(), subjectText(s)),
				Hint: "Name one subject: kind ServiceAccount, name default, namespace default.",

				Position: e.Position(g.object, fmt.Sprintf("subjects[%d]", i)),
			}
		}
	}
	return nil
}
