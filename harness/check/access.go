package check

import (
	"context"
	"fmt"
	"strings"
	"sync"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/component-helpers/auth/rbac/validation"
)

// Someone is a user with groups, as the authorizer sees one.
type Someone struct {
	User   string
	Groups []string
}

// ServiceAccount is the identity of a namespace's service account.
func ServiceAccount(namespace, name string) Someone {
	return Someone{
		User:   "system:serviceaccount:" + namespace + ":" + name,
		Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + namespace, "system:authenticated"},
	}
}

// Permission is one verb on one resource.
type Permission struct {
	Verb, Group, Resource, Name string // Resource may be pods/log
}

func (p Permission) String() string {
	s := p.Verb + " " + p.Resource
	if p.Group != "" {
		s += "." + p.Group
	}
	if p.Name != "" {
		s += " named " + p.Name
	}
	return s
}

// RulesOf are the rules of a ClusterRole, aggregated ones included.
func (e *Env) RulesOf(ctx context.Context, clusterRole string) ([]rbacv1.PolicyRule, error) {
	role, err := e.Client.RbacV1().ClusterRoles().Get(ctx, clusterRole, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("reading ClusterRole %s: %w; type make status", clusterRole, err)
	}
	if len(role.Rules) == 0 {
		return nil, fmt.Errorf("reading ClusterRole %s: it has no rules yet; try again", clusterRole)
	}
	return role.Rules, nil
}

// Permissions spells out rules about resources, one verb on one resource each.
func Permissions(rules []rbacv1.PolicyRule) []Permission {
	var all []Permission
	for _, rule := range small(rules) {
		for _, verb := range rule.Verbs {
			for _, group := range rule.APIGroups {
				for _, resource := range rule.Resources {
					name := first(rule.ResourceNames)
					all = append(all, Permission{Verb: verb, Group: group, Resource: resource, Name: name})
				}
			}
		}
	}
	return all
}

func small(rules []rbacv1.PolicyRule) []rbacv1.PolicyRule {
	var parts []rbacv1.PolicyRule
	for _, rule := range rules {
		parts = append(parts, validation.BreakdownRule(rule)...)
	}
	return parts
}

// Beyond is what granted allows and limit does not, as small rules.
func Beyond(limit, granted []rbacv1.PolicyRule) []rbacv1.PolicyRule {
	_, more := validation.Covers(limit, granted)
	return more
}

// RuleText is a small rule in words.
func RuleText(rule rbacv1.PolicyRule) string {
	if len(rule.NonResourceURLs) > 0 {
		return strings.Join(rule.Verbs, ",") + " " + strings.Join(rule.NonResourceURLs, ",")
	}
	return Printable(Permission{Verb: first(rule.Verbs), Group: first(rule.APIGroups), Resource: first(rule.Resources), Name: first(rule.ResourceNames)}.String(), 200)
}

// Allowed asks the authorizer whether somebody may do one thing in a
// namespace, or everywhere where namespace is "". The reason is its own.
func (e *Env) Allowed(ctx context.Context, who Someone, p Permission, namespace string) (bool, string, error) {
	resource, subresource, _ := strings.Cut(p.Resource, "/")
	review, err := e.Client.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{
		Spec: authorizationv1.SubjectAccessReviewSpec{
			User: who.User, Groups: who.Groups,
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Namespace: namespace, Verb: p.Verb, Group: p.Group, Resource: resource, Subresource: subresource, Name: p.Name,
			},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return false, "", fmt.Errorf("asking the authorizer whether %s may %s: %w; type make status", who.User, p, err)
	}
	return review.Status.Allowed && !review.Status.Denied, review.Status.Reason, nil
}

// Denied are those of the permissions that the authorizer refuses, in their
// order. It asks for several at a time.
func (e *Env) Denied(ctx context.Context, who Someone, permissions []Permission, namespace string) ([]Permission, error) {
	answers := make([]bool, len(permissions))
	errs := make(chan error, len(permissions))
	slots := make(chan struct{}, 16)
	var all sync.WaitGroup
	for i, p := range permissions {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			var err error
			if answers[i], _, err = e.Allowed(ctx, who, p, namespace); err != nil {
				errs <- err
			}
		})
	}
	all.Wait()
	close(errs)
	if err := <-errs; err != nil {
		return nil, err
	}
	var denied []Permission
	for i, allowed := range answers {
		if !allowed {
			denied = append(denied, permissions[i])
		}
	}
	return denied, nil
}

// RulesFor is all that the authorizer lets somebody do in a namespace, the
// cluster-wide part included.
func (e *Env) RulesFor(ctx context.Context, who Someone, namespace string) ([]rbacv1.PolicyRule, error) {
	config := rest.CopyConfig(e.Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: who.User, Groups: who.Groups}
	as, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("impersonating %s: %w", who.User, err)
	}
	review, err := as.AuthorizationV1().SelfSubjectRulesReviews().Create(ctx, &authorizationv1.SelfSubjectRulesReview{
		Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: namespace},
	}, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("asking the authorizer what %s may do in %s: %w; type make status", who.User, namespace, err)
	}
	var rules []rbacv1.PolicyRule
	for _, r := range review.Status.ResourceRules {
		rules = append(rules, rbacv1.PolicyRule{Verbs: r.Verbs, APIGroups: r.APIGroups, Resources: r.Resources, ResourceNames: r.ResourceNames})
	}
	for _, r := range review.Status.NonResourceRules {
		rules = append(rules, rbacv1.PolicyRule{Verbs: r.Verbs, NonResourceURLs: r.NonResourceURLs})
	}
	return rules, nil
}
