package check

import (
	"cmp"
	"context"
	"slices"

	"golang.org/x/sync/errgroup"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/component-helpers/auth/rbac/validation"

	"rolecall/harness/next"
)

// Grant is a role that a subject has, by a binding.
type Grant struct {
	Binding string              `json:"binding,omitempty"` // its kind and name
	Role    string              `json:"role"`              // its kind and name
	Rules   []rbacv1.PolicyRule `json:"rules"`
	Cut     int                 `json:"cut,omitempty"` // rules that were shortened or left out
}

// Verbs are those that the grant allows on what a rule of one resource or URL
// names, whatever the verbs of that rule; an asterisk stands for all.
func (g Grant) Verbs(on rbacv1.PolicyRule) []string {
	var verbs []string
	for _, rule := range g.Rules {
		if len(rule.Verbs) == 0 {
			continue
		}
		on.Verbs = rule.Verbs[:1]
		if covers, _ := validation.Covers([]rbacv1.PolicyRule{rule}, []rbacv1.PolicyRule{on}); covers {
			verbs = append(verbs, rule.Verbs...)
		}
	}
	return unique(verbs)
}

// Is reports whether a subject of a binding in a namespace is this one, by name
// or as one of its groups.
func (who Subject) Is(s rbacv1.Subject, namespace string) bool {
	switch s.Kind {
	case rbacv1.ServiceAccountKind:
		return ServiceAccount(cmp.Or(s.Namespace, namespace), s.Name).User == who.User
	case rbacv1.UserKind:
		return s.Name == who.User
	}
	return slices.Contains(who.Groups, s.Name)
}

// GrantsTo are a subject's grants in a namespace, those of the whole cluster
// included: what the authorizer answers by. The bindings come in the order of
// their names, the namespace's first.
func (e *Env) GrantsTo(ctx context.Context, who Subject, namespace string) ([]Grant, error) {
	var here *rbacv1.RoleBindingList
	var everywhere *rbacv1.ClusterRoleBindingList
	group, asking := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		here, err = e.Client.RbacV1().RoleBindings(namespace).List(asking, metav1.ListOptions{})
		return err
	})
	group.Go(func() (err error) {
		everywhere, err = e.Client.RbacV1().ClusterRoleBindings().List(asking, metav1.ListOptions{})
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, next.Errorf("make status", "looking for role bindings: %w", err)
	}
	grants := []Grant{}
	var roles []rbacv1.RoleRef
	reach := func(kind, name string, subjects []rbacv1.Subject, role rbacv1.RoleRef) {
		if slices.ContainsFunc(subjects, func(s rbacv1.Subject) bool { return who.Is(s, namespace) }) {
			grants = append(grants, Grant{Binding: kind + " " + name, Role: role.Kind + " " + role.Name})
			roles = append(roles, role)
		}
	}
	for _, b := range here.Items {
		reach("RoleBinding", b.Name, b.Subjects, b.RoleRef)
	}
	for _, b := range everywhere.Items {
		reach("ClusterRoleBinding", b.Name, b.Subjects, b.RoleRef)
	}
	group, asking = errgroup.WithContext(ctx)
	for i, role := range roles {
		group.Go(func() (err error) {
			grants[i].Rules, _, err = e.RoleRules(asking, role, namespace) // one that does not exist has none
			return err
		})
	}
	return grants, group.Wait()
}

// RoleRules are the rules of the role that a binding in a namespace refers to, and
// whether there is such a role.
func (e *Env) RoleRules(ctx context.Context, role rbacv1.RoleRef, namespace string) (rules []rbacv1.PolicyRule, exists bool, err error) {
	if role.Kind == "ClusterRole" {
		found, asked := e.Client.RbacV1().ClusterRoles().Get(ctx, role.Name, metav1.GetOptions{})
		rules, err = found.Rules, asked
	} else {
		found, asked := e.Client.RbacV1().Roles(namespace).Get(ctx, role.Name, metav1.GetOptions{})
		rules, err = found.Rules, asked
	}
	switch {
	case apierrors.IsNotFound(err):
		return nil, false, nil
	case err != nil:
		return nil, false, next.Errorf("make status", "reading %s %s: %w", role.Kind, role.Name, err)
	}
	return rules, true, nil
}

// Access is what an account could do in a namespace before a learner's objects
// were stored and after, beside what it was to be able to do.
type Access struct {
	Subject   string  `json:"subject"` // its user name
	Namespace string  `json:"namespace"`
	Limit     Grant   `json:"limit"` // the role whose rules are asked for, and none beyond
	Before    []Grant `json:"before"`
	After     []Grant `json:"after"`
}

const (
	// maxRuleWords bounds the words of all rules of an Access's part; the largest
	// role that comes with a cluster has some 300.
	maxRuleWords = 1000
	// maxRuleList bounds each list of a rule that is too long for the rest of them.
	maxRuleList = 25
	maxRuleWord = 100 // bytes
)

// Evidence is the access as evidence, which is bounded however many rules a
// learner writes.
func (a Access) Evidence() Evidence {
	a.Limit = bounded([]Grant{a.Limit})[0]
	a.Before, a.After = bounded(a.Before), bounded(a.After)
	return Evidence{Access: &a}
}

// bounded are grants with as many of their rules as have room. The shortest come
// first to it, so that a long one takes it from no other.
func bounded(grants []Grant) []Grant {
	order := make([]int, len(grants))
	for i := range grants {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(lengthOf(grants[a].Rules), lengthOf(grants[b].Rules)) })
	room := maxRuleWords
	kept := make([]Grant, len(grants))
	for _, i := range order {
		g := grants[i]
		kept[i] = Grant{Binding: Printable(g.Binding, 300), Role: Printable(g.Role, 300), Rules: []rbacv1.PolicyRule{}, Cut: g.Cut}
		for _, rule := range g.Rules {
			if room <= 0 {
				kept[i].Cut++
				continue
			}
			long := length(&rule) > room
			for _, list := range lists(&rule) {
				*list = clipped(*list, long)
			}
			if long {
				kept[i].Cut++
			}
			room -= length(&rule)
			kept[i].Rules = append(kept[i].Rules, rule)
		}
	}
	return kept
}

func lengthOf(rules []rbacv1.PolicyRule) (n int) {
	for _, rule := range rules {
		n += length(&rule)
	}
	return n
}

// lists are what a rule consists of.
func lists(rule *rbacv1.PolicyRule) []*[]string {
	return []*[]string{&rule.Verbs, &rule.APIGroups, &rule.Resources, &rule.ResourceNames, &rule.NonResourceURLs}
}

func length(rule *rbacv1.PolicyRule) (n int) {
	for _, list := range lists(rule) {
		n += len(*list)
	}
	return n
}

// clipped is a list of printable words, in a long rule the first few of them.
func clipped(list []string, long bool) []string {
	var kept []string
	for i, word := range list {
		if long && i == maxRuleList {
			break
		}
		kept = append(kept, Printable(word, maxRuleWord))
	}
	return kept
}
