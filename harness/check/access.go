package check

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/component-helpers/auth/rbac/validation"

	"rolecall/harness/next"
)

// Subject is a user with groups, as the authorizer sees one.
type Subject struct {
	User   string
	Groups []string
}

// ServiceAccount is the identity of a namespace's service account.
func ServiceAccount(namespace, name string) Subject {
	return Subject{
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
		return nil, next.Errorf("make status", "reading ClusterRole %s: %w", clusterRole, err)
	}
	if len(role.Rules) == 0 {
		return nil, next.Errorf("try again", "reading ClusterRole %s: it has no rules yet", clusterRole)
	}
	return role.Rules, nil
}

// Permissions spells out rules about resources, one verb on one resource each.
func Permissions(rules []rbacv1.PolicyRule) []Permission {
	var all []Permission
	for rule := range small(rules) {
		if len(rule.Resources) > 0 {
			all = append(all, Permission{Verb: rule.Verbs[0], Group: rule.APIGroups[0], Resource: rule.Resources[0], Name: first(rule.ResourceNames)})
		}
	}
	return all
}

// small breaks rules down into rules of one verb on one resource or URL, one
// after the other: a few lines of a learner's can stand for millions.
func small(rules []rbacv1.PolicyRule) iter.Seq[rbacv1.PolicyRule] {
	return func(yield func(rbacv1.PolicyRule) bool) {
		for _, rule := range rules {
			names := unique(rule.ResourceNames)
			for _, group := range unique(rule.APIGroups) {
				for _, resource := range unique(rule.Resources) {
					for _, verb := range unique(rule.Verbs) {
						part := rbacv1.PolicyRule{APIGroups: []string{group}, Resources: []string{resource}, Verbs: []string{verb}}
						if len(names) == 0 && !yield(part) {
							return
						}
						for _, name := range names {
							part.ResourceNames = []string{name}
							if !yield(part) {
								return
							}
						}
					}
				}
			}
			for _, url := range unique(rule.NonResourceURLs) {
				for _, verb := range unique(rule.Verbs) {
					if !yield(rbacv1.PolicyRule{NonResourceURLs: []string{url}, Verbs: []string{verb}}) {
						return
					}
				}
			}
		}
	}
}

// unique drops what was there before, and keeps the order.
func unique(words []string) []string {
	seen := map[string]bool{}
	var kept []string
	for _, word := range words {
		if !seen[word] {
			seen[word] = true
			kept = append(kept, word)
		}
	}
	return kept
}

// maxBeyond bounds what Beyond returns: a rule of a few kilobytes can stand for
// millions of small ones.
const maxBeyond = 1000

// Beyond returns what granted allows and limit does not, as rules of one verb on
// one resource each, at most maxBeyond of them.
func Beyond(ctx context.Context, limit, granted []rbacv1.PolicyRule) (beyond []rbacv1.PolicyRule, err error) {
	for rule := range small(granted) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if covers, _ := validation.Covers(limit, []rbacv1.PolicyRule{rule}); !covers {
			beyond = append(beyond, rule)
		}
		if len(beyond) == maxBeyond {
			break
		}
	}
	return beyond, nil
}

// RulesText is small rules in words: the first one, and how many more there are.
func RulesText(rules []rbacv1.PolicyRule) string {
	text := RuleText(rules[0])
	switch more := len(rules) - 1; {
	case len(rules) == maxBeyond:
		return text + ", and many more"
	case more > 0:
		return fmt.Sprintf("%s, and %d more", text, more)
	}
	return text
}

// Missing are those of the permissions that rules do not grant, in their order.
func Missing(permissions []Permission, rules []rbacv1.PolicyRule) (missing []Permission) {
	for _, p := range permissions {
		rule := rbacv1.PolicyRule{Verbs: []string{p.Verb}, APIGroups: []string{p.Group}, Resources: []string{p.Resource}}
		if p.Name != "" {
			rule.ResourceNames = []string{p.Name}
		}
		if covers, _ := validation.Covers(rules, []rbacv1.PolicyRule{rule}); !covers {
			missing = append(missing, p)
		}
	}
	return missing
}

// RuleText is a small rule in words.
func RuleText(rule rbacv1.PolicyRule) string {
	if len(rule.NonResourceURLs) > 0 {
		return strings.Join(rule.Verbs, ",") + " " + strings.Join(rule.NonResourceURLs, ",")
	}
	return Printable(Permission{Verb: first(rule.Verbs), Group: first(rule.APIGroups), Resource: first(rule.Resources), Name: first(rule.ResourceNames)}.String(), 200)
}

// Allowed asks the authorizer whether a subject may do one thing in a
// namespace, or everywhere where namespace is "". The reason is its own.
func (e *Env) Allowed(ctx context.Context, who Subject, p Permission, namespace string) (bool, string, error) {
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
		return false, "", next.Errorf("make status", "asking the authorizer whether %s may %s: %w", who.User, p, err)
	}
	return review.Status.Allowed && !review.Status.Denied, review.Status.Reason, nil
}

// RulesFor is all that the authorizer lets a subject do in a namespace, the
// cluster-wide part included. An answer that may be incomplete is an error.
func (e *Env) RulesFor(ctx context.Context, who Subject, namespace string) ([]rbacv1.PolicyRule, error) {
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
		return nil, next.Errorf("make status", "asking the authorizer what %s may do in %s: %w", who.User, namespace, err)
	}
	if why := review.Status.EvaluationError; review.Status.Incomplete || why != "" && !strings.Contains(why, "not found") { // a binding to a role that does not exist gives nothing
		return nil, next.Errorf("use a cluster that authorizes by RBAC alone", "asking the authorizer what %s may do in %s: its answer is incomplete (%s)", who.User, namespace, cmp.Or(why, "it does not say why"))
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
