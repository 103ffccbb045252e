package steps

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"rolecall/harness/check"
	"rolecall/harness/next"
)

// grant is one binding of the learner's and the rules that it gives.
type grant struct {
	object  *unstructured.Unstructured // as the learner wrote it
	binding rbacv1.RoleBinding         // as it was stored
	rules   []rbacv1.PolicyRule
	exists  bool // the role that it refers to
}

// name is the binding's name as the learner gave it.
func (g grant) name() string {
	return check.Printable(cmp.Or(g.binding.GenerateName, g.binding.Name), 100)
}

func (g grant) String() string {
	var subjects []string
	for _, s := range g.binding.Subjects {
		subjects = append(subjects, subjectText(s))
	}
	return check.Printable(fmt.Sprintf("RoleBinding %s gives %s %s to %s", g.name(), g.binding.RoleRef.Kind, g.binding.RoleRef.Name, strings.Join(subjects, ", ")), 500)
}

// reaches reports whether one of the binding's subjects is that one, by name
// or as one of its groups.
func (g grant) reaches(who check.Subject) bool {
	return slices.ContainsFunc(g.binding.Subjects, func(s rbacv1.Subject) bool { return who.Is(s, g.binding.Namespace) })
}

// grants reads what the learner's objects give, which were stored as stored.
func grants(ctx context.Context, e *check.Env, objects, stored []*unstructured.Unstructured) ([]grant, error) {
	var grants []grant
	for i, object := range stored {
		if object.GroupVersionKind() != roleBindingKind {
			continue
		}
		g := grant{object: objects[i]}
		err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &g.binding)
		if err == nil {
			g.rules, g.exists, err = e.RoleRules(ctx, g.binding.RoleRef, g.binding.Namespace)
		}
		if err != nil {
			return nil, next.Errorf("make status", "reading RoleBinding %s: %w", g.name(), err)
		}
		grants = append(grants, g)
	}
	return grants, nil
}

// granted are the rules that grants give to a subject.
func granted(who check.Subject, grants []grant) (rules []rbacv1.PolicyRule) {
	for _, g := range grants {
		if g.reaches(who) {
			rules = append(rules, g.rules...)
		}
	}
	return rules
}

// others are those whom grants give something and who are not the one named.
func others(grants []grant, isNamed func(s rbacv1.Subject, namespace string) bool) (names []string) {
	for _, g := range grants {
		for _, s := range g.binding.Subjects {
			if !isNamed(s, g.binding.Namespace) && len(g.rules) > 0 {
				names = append(names, subjectText(s)+", by RoleBinding "+g.name())
			}
		}
	}
	return names
}

// mistake names what keeps the first binding that gives the account nothing
// from giving it something, what to do about it, and where that is; nil where
// each gives it something.
func mistake(ctx context.Context, e *check.Env, grants []grant) (*check.Failure, error) {
	if len(grants) == 0 {
		return &check.Failure{Got: "no RoleBinding, so nobody gets anything", Hint: "Add a RoleBinding: a Role alone says what may be done, and a RoleBinding says who may."}, nil
	}
	for _, g := range grants {
		var got, hint, field string
		ref := g.binding.RoleRef
		switch {
		case !g.exists && ref.Kind == clusterRoleKind.Kind:
			got, hint, field = "refers to the ClusterRole "+ref.Name+", which does not exist", "Write name: view under roleRef.", "roleRef.name"
		case !g.exists:
			got, hint, field = "refers to the Role "+ref.Name+", which does not exist", "Write kind: ClusterRole and name: view under roleRef.", "roleRef.name"
			_, isClusterRole, err := e.RoleRules(ctx, rbacv1.RoleRef{Kind: clusterRoleKind.Kind, Name: ref.Name}, "")
			if err != nil {
				return nil, err
			}
			if isClusterRole {
				got, hint, field = got+"; "+ref.Name+" is a ClusterRole", "Write kind: ClusterRole under roleRef.", "roleRef.kind"
			}
		case len(g.binding.Subjects) == 0:
			got, hint, field = "names no subject", "Name one under subjects: kind ServiceAccount, name default, namespace default.", "subjects"
		case !g.reaches(subject(e)):
			wrong, advice := wrongSubject(g.binding.Subjects[0])
			got, hint, field = "names "+subjectText(g.binding.Subjects[0])+" as its subject", advice, "subjects[0]."+wrong
		default:
			continue
		}
		return &check.Failure{Got: check.Printable("RoleBinding "+g.name()+" "+got, 300), Hint: hint, Position: e.Position(g.object, field)}, nil
	}
	return nil, nil
}

// wrongSubject is the one field that is wrong with a subject, and what to do
// about it.
func wrongSubject(s rbacv1.Subject) (field, hint string) {
	switch {
	case s.Kind != rbacv1.ServiceAccountKind && s.Name == "default":
		return "kind", "A service account is not a " + s.Kind + ": write kind: ServiceAccount, without apiGroup."
	case s.Kind != rbacv1.ServiceAccountKind:
		return "kind", "Name the account: kind ServiceAccount, name default, namespace default."
	case s.Name != "default":
		return "name", "Write name: default under subjects."
	}
	return "namespace", "Write namespace: default under subjects: the account is in that namespace."
}

// subject is the learner's service account.
func subject(e *check.Env) check.Subject {
	return check.ServiceAccount(e.Namespaces.Of(Home), "default")
}

func subjectText(s rbacv1.Subject) string {
	text := s.Kind + " " + s.Name
	if s.Namespace != "" {
		text += " in " + s.Namespace
	}
	return check.Printable(text, 200)
}
