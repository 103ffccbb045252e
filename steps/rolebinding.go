package steps

import (
	"context"
	"fmt"
	"strings"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"rolecall/harness"
	"rolecall/harness/check"
)

// RoleBinding is lab 4: all that the ClusterRole view grants, to one account,
// in one namespace.
func RoleBinding() harness.Step {
	s := &roleBinding{}
	return harness.Step{
		Slug: "rolebinding", Lab: 4, Title: "Granting view in one namespace",
		Checks: []harness.Check{
			{ID: "rolebinding.manifest", Points: 4, Run: s.manifest,
				Desc: "rolebinding.yaml holds known kinds and fields only, no duplicate key, everything in default"},
			{ID: "rolebinding.namespaced", Points: 4, Run: s.namespaced, Needs: []string{"rolebinding.manifest"},
				Desc: "no ClusterRoleBinding or ClusterRole: the grant ends at the namespace's edge"},
			{ID: "rolebinding.allows-view", Points: 4, Run: s.allowsView, Needs: []string{"rolebinding.namespaced"},
				Desc: "every verb and resource of view is allowed to the service account default in default"},
			{ID: "rolebinding.no-more", Points: 4, Run: s.noMore, Needs: []string{"rolebinding.allows-view"},
				Desc: "nothing beyond view is allowed in default, and nothing at all elsewhere or cluster-wide"},
			{ID: "rolebinding.only-default", Points: 4, Run: s.onlyDefault, Needs: []string{"rolebinding.allows-view"},
				Desc: "no other service account, group or user gained anything"},
		},
	}
}

const bindingFile = "lab-4/rolebinding.yaml"

// roleBinding is what the checks of lab 4 share.
type roleBinding struct {
	objects []*unstructured.Unstructured
	view    []rbacv1.PolicyRule
	before  map[string][]rbacv1.PolicyRule // what the account could do, by namespace
}

func (s *roleBinding) manifest(ctx context.Context, e *check.Env) (err error) {
	if s.objects, err = readBinding(e); err != nil {
		return err
	}
	for _, object := range s.objects {
		_, err := e.DryRun(ctx, object)
		message, refused := check.Refused(err)
		switch {
		case refused:
			return &check.Failure{Want: "objects that the API server understands", Got: message, Hint: "The message names the field as you wrote it; compare its spelling, its place and its indentation."}
		case err != nil:
			return fmt.Errorf("asking the API server to read %s: %w", bindingFile, err)
		}
	}
	return nil
}

// readBinding reads lab 4's objects, in the learner's namespace where they
// have one.
func readBinding(e *check.Env) ([]*unstructured.Unstructured, error) {
	objects, err := e.Manifest(bindingFile)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for i, object := range objects {
		kind := object.GroupVersionKind()
		fail := func(got, hint string) error {
			return &check.Failure{Want: "Roles and RoleBindings of rbac.authorization.k8s.io/v1, in the namespace default", Got: check.Printable(got, 200), Hint: hint}
		}
		if kind.Group != rbacv1.GroupName || kind.Version != "v1" || !accessKinds[kind.Kind] {
			return nil, fail(object.GetAPIVersion()+" "+kind.Kind, "Only Role and RoleBinding are needed; check the spelling of apiVersion and kind.")
		}
		if ns := object.GetNamespace(); !clusterWide(object) && ns != "" && ns != "default" {
			return nil, fail(kind.Kind+" in the namespace "+ns, "A RoleBinding grants in its own namespace: leave metadata.namespace out, or write default.")
		}
		id := kind.Kind + " " + object.GetName()
		if object.GetName() == "" {
			return nil, fail(kind.Kind+" without metadata.name", "Give each object a name under metadata.")
		}
		if seen[id] {
			return nil, fail("two objects "+id, "The second would replace the first: give it another name.")
		}
		seen[id] = true
		if !clusterWide(object) {
			objects[i] = relocate(e.InHome(object), e.Namespaces.Home)
		}
	}
	return objects, nil
}

var accessKinds = map[string]bool{"Role": true, "RoleBinding": true, "ClusterRole": true, "ClusterRoleBinding": true}

func clusterWide(object *unstructured.Unstructured) bool {
	return strings.HasPrefix(object.GetKind(), "Cluster")
}

// relocate makes subjects of the namespace default those of home: on an
// existing cluster the lab has a namespace of its own.
func relocate(object *unstructured.Unstructured, home string) *unstructured.Unstructured {
	subjects, _, _ := unstructured.NestedSlice(object.Object, "subjects")
	for _, subject := range subjects {
		if fields, ok := subject.(map[string]any); ok && home != "default" {
			if fields["namespace"] == "default" {
				fields["namespace"] = home
			}
			if fields["name"] == "system:serviceaccount:default:default" {
				fields["name"] = check.ServiceAccount(home, "default").User
			}
		}
	}
	if subjects != nil {
		_ = unstructured.SetNestedSlice(object.Object, subjects, "subjects") // it was a slice before
	}
	return object
}

func (s *roleBinding) namespaced(_ context.Context, _ *check.Env) error {
	for _, object := range s.objects {
		if clusterWide(object) {
			return &check.Failure{
				Want: "Roles and RoleBindings only",
				Got:  "a " + object.GetKind() + " named " + check.Printable(object.GetName(), 100),
				Hint: "A RoleBinding may refer to the ClusterRole view, which exists already; the grant then ends at the binding's namespace.",
			}
		}
	}
	return nil
}

func (s *roleBinding) allowsView(ctx context.Context, e *check.Env) (err error) {
	if s.view, err = e.RulesOf(ctx, "view"); err != nil {
		return err
	}
	who := check.ServiceAccount(e.Namespaces.Home, "default")
	s.before = map[string][]rbacv1.PolicyRule{}
	for _, ns := range []string{e.Namespaces.Home, e.Namespaces.Elsewhere} {
		if s.before[ns], err = e.RulesFor(ctx, who, ns); err != nil {
			return err
		}
	}
	if err := bind(ctx, e, s.objects); err != nil {
		return err
	}
	missing := check.Permissions(s.view)
	all := len(missing)
	granted, err := check.Eventually(ctx, check.AccessSettles, 100*time.Millisecond, func(ctx context.Context) (bool, error) {
		denied, err := e.Denied(ctx, who, missing, e.Namespaces.Home)
		if err == nil {
			missing = denied
		}
		return err == nil && len(denied) == 0, err
	})
	if err != nil {
		return err
	}
	e.Saw(check.Evidence{Object: fmt.Sprintf("the authorizer allows %d of the %d permissions of view to %s in %s", all-len(missing), all, who.User, e.Namespaces.Home)})
	if !granted {
		return &check.Failure{
			Want: fmt.Sprintf("all %d permissions of the ClusterRole view, for %s", all, who.User),
			Got:  fmt.Sprintf("%d of %d are denied, %s among them", len(missing), all, missing[0]),
			Hint: missingHint(len(missing) == all),
		}
	}
	return nil
}

func missingHint(nothing bool) string {
	if nothing {
		return "The binding reaches nobody or nothing: check roleRef (kind ClusterRole, name view) and the subject (kind ServiceAccount, name default, namespace default), letter by letter."
	}
	return "Bind the ClusterRole view itself, or grant all that kubectl describe clusterrole view shows."
}

// bind stores the learner's objects.
func bind(ctx context.Context, e *check.Env, objects []*unstructured.Unstructured) error {
	for _, object := range objects {
		_, err := e.Create(ctx, object)
		if message, refused := check.Refused(err); refused {
			return &check.Failure{Want: "objects that the API server accepts", Got: message, Hint: "The message is the API server's; it names what it does not accept."}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// noMore walks the rules that the learner's bindings give to the account, and
// then asks the authorizer whether it agrees.
func (s *roleBinding) noMore(ctx context.Context, e *check.Env) error {
	who := check.ServiceAccount(e.Namespaces.Home, "default")
	grants, err := s.grants(ctx, e)
	if err != nil {
		return err
	}
	for _, g := range grants {
		for _, subject := range g.binding.Subjects {
			if more := check.Beyond(s.view, g.rules); len(more) > 0 && isAccount(e, subject) {
				e.Saw(check.Evidence{Object: g.String()})
				return &check.Failure{
					Want: "nothing beyond the ClusterRole view",
					Got:  fmt.Sprintf("RoleBinding %s also allows: %s", g.binding.Name, check.RuleText(more[0])),
					Hint: "Bind the ClusterRole view: it reads, it changes nothing, and it shows no Secrets.",
				}
			}
		}
	}
	for ns, before := range s.before {
		now, err := e.RulesFor(ctx, who, ns)
		if err != nil {
			return err
		}
		limit := before
		if ns == e.Namespaces.Home {
			limit = append(limit, s.view...)
		}
		if more := check.Beyond(limit, now); len(more) > 0 {
			return fmt.Errorf("comparing access in %s: the authorizer allows %s, which no object of the lab grants; type make reset", ns, check.RuleText(more[0]))
		}
	}
	e.Saw(check.Evidence{Object: "the authorizer's rules for " + who.User + " are those of view, and elsewhere what they were before"})
	return nil
}

func (s *roleBinding) onlyDefault(ctx context.Context, e *check.Env) error {
	grants, err := s.grants(ctx, e)
	if err != nil {
		return err
	}
	for _, g := range grants {
		for _, subject := range g.binding.Subjects {
			if isAccount(e, subject) || len(g.rules) == 0 {
				continue
			}
			e.Saw(check.Evidence{Object: g.String()})
			return &check.Failure{
				Want: "the service account default of the namespace default, and nobody else",
				Got:  fmt.Sprintf("RoleBinding %s also reaches %s", g.binding.Name, subjectText(subject)),
				Hint: "Name one subject: kind ServiceAccount, name default, namespace default.",
			}
		}
	}
	return nil
}
