package steps

import (
	"context"
	"fmt"
	"slices"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"rolecall/harness/check"
	"rolecall/harness/next"
)

// gain is what a learner's Roles and RoleBindings give to a user or a group that
// is to have the rules of limit in the namespace home, and nobody else anything.
type gain struct {
	who       check.Subject  // as the authorizer sees it
	as        rbacv1.Subject // as a binding names it
	limit     []rbacv1.PolicyRule
	limitName string // for messages: "list pods"
	file      string // the learner's

	grants []grant
	before map[string][]rbacv1.PolicyRule // what it could do, by namespace
}

// understood asks the API server whether it can read the objects of a file, and
// does not mind what else it has against them. hint says what to do about its
// refusal.
func understood(ctx context.Context, e *check.Env, objects []*unstructured.Unstructured, hint func(message string) string) error {
	for _, object := range objects {
		relocate(object, home(e))
		err := e.DryRun(ctx, object)
		refusal, refused := check.AsRefusal(err)
		switch {
		case refused && (refusal.Unread || object.GroupVersionKind().Group == rbacv1.GroupName):
			return &check.Failure{Want: "objects that the API server understands", Got: refusal.Message, Hint: hint(refusal.Message), Position: refusal.Position}
		case !refused && err != nil:
			return err
		}
	}
	return nil
}

// bind stores the learner's objects, and returns once the authorizer lets the
// subject do what is asked for. That it never does is the learner's failure where
// the objects do not grant it, too.
func (g *gain) bind(ctx context.Context, e *check.Env, objects []*unstructured.Unstructured) (err error) {
	home := e.Namespaces.Of(Home)
	g.before = map[string][]rbacv1.PolicyRule{}
	for _, ns := range []string{home, e.Namespaces.Of(Elsewhere)} {
		if g.before[ns], err = e.RulesFor(ctx, g.who, ns); err != nil {
			return err
		}
	}
	access := check.Access{Subject: g.who.User, Namespace: home, Limit: check.Grant{Role: g.limitName, Rules: g.limit}}
	if access.Before, err = e.GrantsTo(ctx, g.who, home); err != nil {
		return err
	}
	stored, err := bind(ctx, e, objects)
	if err != nil {
		return err
	}
	if g.grants, err = grants(ctx, e, objects, stored); err != nil {
		return err
	}
	given := granted(g.who, g.grants)
	effect, err := check.Compare(ctx, g.who.User+" in "+home, g.limit, given, g.others())
	if err != nil {
		return err
	}
	e.Saw(check.Evidence{Effect: effect})
	missing := check.Permissions(g.limit)
	all, lacks := len(missing), len(check.Missing(missing, given))
	within := check.AccessSettles
	if lacks > 0 {
		within = shortly
	}
	_, err = check.Eventually(ctx, within, 50*time.Millisecond, func(ctx context.Context) (bool, error) {
		allowed, err := e.RulesFor(ctx, g.who, home)
		missing = check.Missing(missing, allowed)
		return len(missing) == 0, err
	})
	if err != nil {
		return err
	}
	if access.After, err = e.GrantsTo(ctx, g.who, home); err != nil {
		return err
	}
	e.Saw(access.Evidence())
	switch {
	case len(missing) == 0:
		return nil
	case lacks == 0:
		return next.Errorf("make status", "waiting for the authorizer to allow what the objects grant: it denies %s after %s", missing[0], within)
	}
	wrong := g.mistake(e)
	if wrong == nil {
		got := fmt.Sprintf("the authorizer denies %s", missing[0])
		if len(missing) > 1 {
			got = fmt.Sprintf("%d of %d permissions are denied, %s among them", len(missing), all, missing[0])
		}
		wrong = &check.Failure{Got: got, Hint: "Compare the verbs, apiGroups and resources of the role's rules with what is asked for; pods and services are of the group \"\"."}
	}
	wrong.Want = fmt.Sprintf("%s in default, granted to %s by a RoleBinding", g.limitName, subjectText(g.as))
	return e.Submission.Explain(wrong, g.file)
}

// mistake names what keeps the first binding that gives the subject nothing from
// giving it something; nil where each gives it something.
func (g *gain) mistake(e *check.Env) *check.Failure {
	if len(g.grants) == 0 {
		return &check.Failure{Got: "no RoleBinding, so nobody gets anything", Hint: "Add a RoleBinding: a Role alone says what may be done, and a RoleBinding says who may."}
	}
	for _, b := range g.grants {
		var got, hint, field string
		switch ref := b.binding.RoleRef; {
		case !b.exists:
			got, field = fmt.Sprintf("refers to the %s %s, which does not exist", ref.Kind, ref.Name), "roleRef.name"
			hint = "Compare kind and name under roleRef with those of the role: a Role of the same namespace, or a ClusterRole."
		case len(b.binding.Subjects) == 0:
			got, hint, field = "names no subject", "Name one under subjects: its kind, its name and its apiGroup.", "subjects"
		case !b.reaches(g.who):
			first := b.binding.Subjects[0]
			got, hint, field = "names "+subjectText(first)+" as its subject", "Write name: "+g.as.Name+" under subjects; names are compared letter by letter.", "subjects[0].name"
			if first.Kind != g.as.Kind {
				hint, field = "Write kind: "+g.as.Kind+" under subjects: a "+first.Kind+" is something else, even under the same name.", "subjects[0].kind"
			}
		default:
			continue
		}
		return &check.Failure{Got: check.Printable("RoleBinding "+b.name()+" "+got, 300), Hint: hint, Position: e.Position(b.object, field)}
	}
	return nil
}

// noMore fails what the bindings give to the subject beyond what is asked for, and
// then asks the authorizer whether it agrees.
func (g gain) noMore(ctx context.Context, e *check.Env, hint string) error {
	home := e.Namespaces.Of(Home)
	for _, b := range g.grants {
		more, err := check.Beyond(ctx, slices.Concat(g.limit, g.before[home]), b.rules)
		if err != nil {
			return err
		}
		if more != nil && b.reaches(g.who) {
			e.Saw(check.Evidence{Object: b.String()})
			return &check.Failure{
				Want: "nothing beyond " + g.limitName, Got: fmt.Sprintf("RoleBinding %s also allows: %s", b.name(), check.RulesText(more)),
				Hint: hint, Position: e.Position(b.object, "roleRef.name"),
			}
		}
	}
	for ns, limit := range g.before {
		now, err := e.RulesFor(ctx, g.who, ns)
		if err != nil {
			return err
		}
		if ns == home {
			limit = slices.Concat(limit, g.limit)
		}
		more, err := check.Beyond(ctx, limit, now)
		if err != nil {
			return err
		}
		if more != nil {
			return next.Errorf("make reset", "comparing access in %s: the authorizer allows %s, which no object of the lab grants", ns, check.RulesText(more))
		}
	}
	e.Saw(check.Evidence{Object: "the authorizer lets " + g.who.User + " do what is asked for, and elsewhere what it could do before"})
	return nil
}

// isFor reports whether a subject of a binding is the one that is to gain.
func (g gain) isFor(s rbacv1.Subject) bool { return s.Kind == g.as.Kind && s.Name == g.as.Name }

// others are those beside the subject whom the bindings give something.
func (g gain) others() (names []string) {
	for _, b := range g.grants {
		for _, s := range b.binding.Subjects {
			if !g.isFor(s) && len(b.rules) > 0 {
				names = append(names, subjectText(s)+", by RoleBinding "+b.name())
			}
		}
	}
	return names
}

// onlyFor fails a binding that gives something to anybody else.
func (g gain) onlyFor(e *check.Env) error {
	for _, b := range g.grants {
		for i, s := range b.binding.Subjects {
			if g.isFor(s) || len(b.rules) == 0 {
				continue
			}
			e.Saw(check.Evidence{Object: b.String()})
			return &check.Failure{
				Want: subjectText(g.as) + ", and nobody else", Got: fmt.Sprintf("RoleBinding %s also reaches %s", b.name(), subjectText(s)),
				Hint: "Name one subject: kind " + g.as.Kind + ", name " + g.as.Name + ".", Position: e.Position(b.object, fmt.Sprintf("subjects[%d]", i)),
			}
		}
	}
	return nil
}
