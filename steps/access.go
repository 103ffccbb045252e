package steps

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/component-helpers/auth/rbac/validation"

	"rolecall/harness/check"
	"rolecall/harness/next"
)

// asked is what a lab asks a manifest to grant: rules for one subject, each in a
// namespace, and nothing else.
type asked struct {
	who check.Subject  // as the authorizer sees it
	as  rbacv1.Subject // as a binding is to name it, and a message does
	in  []area
}

// area is a namespace and what is to be allowed there.
type area struct {
	namespace string
	rules     []rbacv1.PolicyRule
	role      string // a ClusterRole that has these rules, or ""
}

// named is the subject in a message.
func (a asked) named() string {
	if a.as.Kind == rbacv1.ServiceAccountKind {
		return fmt.Sprintf("the service account %s of the namespace %s", a.as.Name, a.as.Namespace)
	}
	return "the " + strings.ToLower(a.as.Kind) + " " + a.as.Name
}

// isNamed reports whether a subject of a binding in a namespace is the one that is
// asked for, and so nobody else.
func (a asked) isNamed(s rbacv1.Subject, namespace string) bool {
	if a.as.Kind == rbacv1.GroupKind {
		return s.Kind == a.as.Kind && s.Name == a.as.Name
	}
	return named(a.who, s, namespace)
}

// of is what is asked for in a namespace.
func (a asked) of(namespace string) area {
	for _, area := range a.in {
		if area.namespace == namespace {
			return area
		}
	}
	return area{namespace: namespace}
}

// made is what a learner's objects give, once they are in the cluster.
type made struct {
	asked
	objects []*unstructured.Unstructured // as the learner wrote them
	grants  []grant
	before  map[string][]rbacv1.PolicyRule // what the subject could do, by namespace
}

// readGrants reads a manifest of roles and bindings. Namespaces that subjects name
// become those of this cluster.
func readGrants(ctx context.Context, e *check.Env, wanted check.Wanted) ([]*unstructured.Unstructured, error) {
	objects, err := e.Objects(ctx, wanted)
	if err != nil {
		return nil, err
	}
	for _, object := range objects {
		relocate(object, wanted.Namespaces)
		if object.GroupVersionKind() == serviceAccountKind && object.GetName() == "default" {
			return nil, &check.Failure{Want: wanted.Want, Got: "ServiceAccount default, which every namespace has already", Hint: "Leave it out: Kubernetes makes it.", Position: e.Position(object, "metadata.name")}
		}
		err := e.DryRun(ctx, object)
		if refusal, refused := check.AsRefusal(err); refused {
			return nil, e.Submission.Explain(&check.Failure{Want: "objects that the API server understands", Got: refusal.Message, Hint: bindingHint(refusal.Message), Position: refusal.Position}, wanted.File)
		}
		if err != nil {
			return nil, err
		}
	}
	return objects, nil
}

// give stores a learner's objects, and waits until the authorizer goes by them.
func (a asked) give(ctx context.Context, e *check.Env, objects []*unstructured.Unstructured) (*made, error) {
	m := &made{asked: a, objects: objects}
	var err error
	if m.before, err = rulesEverywhere(ctx, e, a.who); err != nil {
		return nil, err
	}
	access := make([]check.Access, len(a.in))
	for i, area := range a.in {
		limit := check.Grant{Role: "what is asked for", Rules: area.rules}
		if area.role != "" {
			limit.Role = "ClusterRole " + area.role
		}
		access[i] = check.Access{Subject: a.who.User, Namespace: area.namespace, Limit: limit}
		if access[i].Before, err = e.GrantsTo(ctx, a.who, area.namespace); err != nil {
			return nil, err
		}
	}
	stored, err := bind(ctx, e, objects)
	if err == nil {
		m.grants, err = grants(ctx, e, objects, stored)
	}
	if err == nil {
		err = m.settle(ctx, e)
	}
	if err != nil {
		return nil, err
	}
	for i, area := range a.in {
		if access[i].After, err = e.GrantsTo(ctx, a.who, area.namespace); err != nil {
			return nil, err
		}
		effect, err := check.Compare(ctx, a.who.User+" in "+area.namespace, area.rules, granted(a.who, m.within(area.namespace)), others(m.within(area.namespace), a.isNamed))
		if err != nil {
			return nil, err
		}
		e.Saw(access[i].Evidence(), check.Evidence{Effect: effect})
	}
	return m, nil
}

// rulesEverywhere is what a subject may do in each of the scene's namespaces.
func rulesEverywhere(ctx context.Context, e *check.Env, who check.Subject) (map[string][]rbacv1.PolicyRule, error) {
	names := e.Namespaces.Names()
	rules := make([][]rbacv1.PolicyRule, len(names))
	group, ctx := errgroup.WithContext(ctx)
	for i, name := range names {
		group.Go(func() (err error) {
			rules[i], err = e.RulesFor(ctx, who, name)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	by := map[string][]rbacv1.PolicyRule{}
	for i, name := range names {
		by[name] = rules[i]
	}
	return by, nil
}

// within are the grants that are made in a namespace.
func (m *made) within(namespace string) []grant {
	return slices.DeleteFunc(slices.Clone(m.grants), func(g grant) bool { return g.binding.Namespace != namespace })
}

// settles is how often the authorizer is asked whether it has seen a binding.
const settles = 50 * time.Millisecond

// settle waits until the authorizer allows what the objects grant to the subject.
func (m *made) settle(ctx context.Context, e *check.Env) error {
	for _, namespace := range e.Namespaces.Names() {
		given := granted(m.who, m.within(namespace))
		if len(given) == 0 {
			continue
		}
		var missing []rbacv1.PolicyRule
		allowed, err := check.Eventually(ctx, check.AccessSettles, settles, func(ctx context.Context) (bool, error) {
			now, err := e.RulesFor(ctx, m.who, namespace)
			if err == nil {
				missing, err = check.Beyond(ctx, now, given)
			}
			return missing == nil, err
		})
		if err != nil {
			return err
		}
		if !allowed {
			return next.Errorf("make status", "waiting for the authorizer to allow what the objects grant in %s: it denies %s after %s", namespace, check.RulesText(missing), check.AccessSettles)
		}
	}
	return nil
}

// allows fails where something that is asked for is not granted.
func (m *made) allows(ctx context.Context, e *check.Env) error {
	total, lacking := 0, []string{}
	var first *check.Failure
	for _, area := range m.in {
		all := check.Permissions(area.rules)
		missing := check.Missing(all, granted(m.who, m.within(area.namespace)))
		total += len(all)
		for _, p := range missing {
			lacking = append(lacking, fmt.Sprintf("%s in %s", p, area.namespace))
		}
		if len(missing) > 0 && first == nil {
			var err error
			if first, err = m.shortfall(ctx, e, area.namespace, missing[0]); err != nil {
				return err
			}
		}
	}
	e.Saw(check.Evidence{Object: fmt.Sprintf("permissions asked for: %d, of which %d granted to %s", total, total-len(lacking), m.who.User)})
	if first == nil {
		return nil
	}
	first.Want = fmt.Sprintf("all %d permissions that are asked for, for %s", total, m.named())
	if total == 1 {
		first.Want = lacking[0] + ", for " + m.named()
	}
	const shown = 6
	if more := len(lacking) - shown; more > 0 {
		lacking = append(lacking[:shown], fmt.Sprintf("and %d more", more))
	}
	first.Got = "denied: " + check.Printable(strings.Join(lacking, ", "), 300) + "; " + first.Got
	return first
}

// shortfall is why the subject lacks a permission in a namespace: the first thing
// that keeps the learner's objects from giving it.
func (m *made) shortfall(ctx context.Context, e *check.Env, namespace string, p check.Permission) (*check.Failure, error) {
	here := m.within(namespace)
	if len(m.grants) == 0 {
		return &check.Failure{Got: "no RoleBinding, so nobody gets anything", Hint: "Add a RoleBinding: a Role alone says what may be done, and a RoleBinding says who may."}, nil
	}
	if len(here) == 0 {
		g := m.grants[0]
		return &check.Failure{Got: fmt.Sprintf("no RoleBinding in %s (%s is in %s)", namespace, g.name(), g.binding.Namespace),
			Hint: "A RoleBinding grants in its own namespace, wherever its subjects live: it belongs where the access is.", Position: e.Position(g.object, "metadata.namespace")}, nil
	}
	for _, g := range here {
		var got, hint, field string
		ref := g.binding.RoleRef
		switch {
		case !g.exists && ref.Kind == roleKind.Kind:
			got, hint, field = "refers to the Role "+ref.Name+", which does not exist in "+namespace, "A RoleBinding can refer to a Role of its own namespace, or to a ClusterRole; compare the names.", "roleRef.name"
		case !g.exists:
			got, hint, field = "refers to the "+ref.Kind+" "+ref.Name+", which does not exist", "Name under roleRef the role that you wrote, and its kind.", "roleRef.name"
		case len(g.binding.Subjects) == 0:
			got, hint, field = "names no subject", "Name under subjects who gets the access: "+m.named()+".", "subjects"
		case !g.reaches(m.who):
			first := g.binding.Subjects[0]
			got, hint, field = "names "+subjectText(first)+" as its subject", "Name under subjects who gets the access: "+m.named()+".", "subjects[0]"
			switch {
			case first.Kind == m.as.Kind && first.Kind != rbacv1.ServiceAccountKind:
				hint, field = "Write name: "+m.as.Name+" under subjects; names are compared letter by letter.", "subjects[0].name"
			case first.Kind != m.as.Kind:
				hint, field = "Write kind: "+m.as.Kind+" under subjects: a "+first.Kind+" is something else, even under the same name.", "subjects[0].kind"
			}
		default:
			continue
		}
		return &check.Failure{Got: check.Printable("RoleBinding "+g.name()+" "+got, 300), Hint: hint, Position: e.Position(g.object, field)}, nil
	}
	given := granted(m.who, here)
	return &check.Failure{Got: "no rule in " + namespace + " allows it", Hint: missingHint(p, given), Position: m.rules(e, here)}, nil
}

// missingHint is what to do about rules that do not grant a permission.
func missingHint(p check.Permission, rules []rbacv1.PolicyRule) string {
	near := func(change func(*rbacv1.PolicyRule)) bool {
		var changed []rbacv1.PolicyRule
		for _, rule := range rules {
			change(&rule)
			changed = append(changed, rule)
		}
		return len(check.Missing([]check.Permission{p}, changed)) == 0
	}
	switch {
	case near(func(r *rbacv1.PolicyRule) { r.APIGroups = []string{"*"} }) && p.Group == "":
		return "The resource is in another API group: what kubectl api-resources shows as v1 is in the core group, whose name is empty."
	case near(func(r *rbacv1.PolicyRule) { r.APIGroups = []string{"*"} }):
		return "The resource is in another API group: its name is what kubectl api-resources shows under APIVERSION before the slash."
	case near(func(r *rbacv1.PolicyRule) { r.ResourceNames = nil }):
		return "resourceNames narrows a rule down to objects of those names: compare them with what is asked for."
	case near(func(r *rbacv1.PolicyRule) { r.Resources = plurals(r.Resources) }) && strings.Contains(p.Resource, "/"):
		return "A resource is in the plural before a slash, too, as kubectl api-resources shows it."
	case near(func(r *rbacv1.PolicyRule) { r.Verbs = []string{"*"} }):
		return "The resource is there and the verb is not: each verb that is asked for is listed, for none includes another."
	case strings.Contains(p.Resource, "/"):
		return "A part of an object is a resource of its own, which a rule names as resource/part; the part is not included in the whole."
	}
	return "No rule names the resource: resources are in the plural and in lower case, as kubectl api-resources shows them."
}

// plurals are resources/parts with an s before the slash.
func plurals(resources []string) (plural []string) {
	for _, resource := range resources {
		plural = append(plural, strings.Replace(resource, "/", "s/", 1))
	}
	return plural
}

// rules is where the rules are written that grants give to the subject.
func (m *made) rules(e *check.Env, grants []grant) check.Position {
	for _, g := range grants {
		if role := m.role(g); role != nil && g.reaches(m.who) {
			return e.Position(role, "rules")
		}
	}
	return e.Position(grants[0].object, "roleRef.name")
}

// role is the learner's Role that a grant refers to, or nil.
func (m *made) role(g grant) *unstructured.Unstructured {
	for _, object := range m.objects {
		if object.GroupVersionKind() == roleKind && object.GetName() == g.binding.RoleRef.Name && object.GetNamespace() == g.binding.Namespace && g.binding.RoleRef.Kind == roleKind.Kind {
			return object
		}
	}
	return nil
}

// noMore fails where the objects grant the subject something that is not asked
// for, and then asks the authorizer whether it agrees.
func (m *made) noMore(ctx context.Context, e *check.Env) error {
	for _, g := range m.grants {
		if !g.reaches(m.who) {
			continue
		}
		area := m.of(g.binding.Namespace)
		more, err := check.Beyond(ctx, slices.Concat(m.before[area.namespace], area.rules), g.rules)
		if err != nil {
			return err
		}
		if more != nil {
			e.Saw(check.Evidence{Object: g.String()})
			failure := &check.Failure{
				Want: "nothing beyond what is asked for",
				Got:  fmt.Sprintf("RoleBinding %s in %s also allows: %s", g.name(), g.binding.Namespace, check.RulesText(more)),
				Hint: moreHint(area.rules, more[0]), Position: m.ruleOf(e, g, more[0]),
			}
			switch ref := g.binding.RoleRef; {
			case area.role != "":
				failure.Hint = "Bind the ClusterRole " + area.role + ", which allows just that."
			case ref.Kind == clusterRoleKind.Kind:
				failure.Hint = check.Printable("The ClusterRole "+ref.Name+" allows more than is asked for: write a Role that says what is.", 300)
			}
			return failure
		}
	}
	now, err := rulesEverywhere(ctx, e, m.who)
	if err != nil {
		return err
	}
	for _, namespace := range e.Namespaces.Names() {
		more, err := check.Beyond(ctx, slices.Concat(m.before[namespace], m.of(namespace).rules), now[namespace])
		if err != nil {
			return err
		}
		if more != nil {
			return next.Errorf("make reset", "comparing access in %s: the authorizer allows %s, which no object of the lab grants", namespace, check.RulesText(more))
		}
	}
	e.Saw(check.Evidence{Object: "the authorizer's rules for " + m.who.User + " are those asked for, and elsewhere what they were before"})
	return nil
}

// moreHint is what to do about something that is granted beyond what is asked for.
func moreHint(asked []rbacv1.PolicyRule, more rbacv1.PolicyRule) string {
	byName := slices.ContainsFunc(asked, func(rule rbacv1.PolicyRule) bool {
		return len(rule.ResourceNames) > 0 && slices.ContainsFunc(more.Resources, func(r string) bool { return slices.Contains(rule.Resources, r) })
	})
	switch {
	case slices.ContainsFunc(slices.Concat(more.Verbs, more.APIGroups, more.Resources), func(word string) bool { return strings.Contains(word, "*") }):
		return "An asterisk stands for all there is and will be: write the words that are asked for."
	case byName && slices.Contains(more.Verbs, "create"):
		return "It is not asked for; and no rule can allow it by name, because a request to create has no name in its path."
	case byName && len(more.ResourceNames) == 0:
		return "A rule without resourceNames is for all objects of its resources: add the one name."
	}
	return "Leave it out: a rule allows each of its verbs on each of its resources, so verbs that belong to one resource go into a rule of their own."
}

// ruleOf is where the rule is written that gives a grant something.
func (m *made) ruleOf(e *check.Env, g grant, given rbacv1.PolicyRule) check.Position {
	role := m.role(g)
	if role == nil {
		return e.Position(g.object, "roleRef.name")
	}
	for i, rule := range g.rules {
		if covers, _ := validation.Covers([]rbacv1.PolicyRule{rule}, []rbacv1.PolicyRule{given}); covers {
			return e.Position(role, fmt.Sprintf("rules[%d]", i))
		}
	}
	return e.Position(role, "rules")
}

// reachesOnly fails where the objects give something to somebody beside the
// subject.
func (m *made) reachesOnly(e *check.Env) error {
	for _, g := range m.grants {
		for i, s := range g.binding.Subjects {
			if m.isNamed(s, g.binding.Namespace) || len(g.rules) == 0 {
				continue
			}
			e.Saw(check.Evidence{Object: g.String()})
			return &check.Failure{
				Want: m.named() + ", and nobody else",
				Got:  fmt.Sprintf("RoleBinding %s also reaches %s", g.name(), subjectText(s)),
				Hint: "Name one subject: " + m.named() + ".", Position: e.Position(g.object, fmt.Sprintf("subjects[%d]", i)),
			}
		}
	}
	return nil
}

// named reports whether a binding's subject is that one by its name, and so nobody
// else. Without a namespace it is one of the binding's own.
func named(who check.Subject, s rbacv1.Subject, namespace string) bool {
	return check.Subject{User: who.User}.Is(s, namespace)
}
