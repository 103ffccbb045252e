package steps

import (
	"context"
	"fmt"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rolecall/harness/check"
)

// grant is one binding of the learner's and the rules that it gives.
type grant struct {
	binding rbacv1.RoleBinding
	rules   []rbacv1.PolicyRule
}

func (g grant) String() string {
	var subjects []string
	for _, s := range g.binding.Subjects {
		subjects = append(subjects, subjectText(s))
	}
	return check.Printable(fmt.Sprintf("RoleBinding %s gives %s %s to %s", g.binding.Name, g.binding.RoleRef.Kind, g.binding.RoleRef.Name, strings.Join(subjects, ", ")), 500)
}

// grants reads the learner's bindings back from the API server.
func (s *roleBinding) grants(ctx context.Context, e *check.Env) ([]grant, error) {
	bindings, err := e.Client.RbacV1().RoleBindings(e.Namespaces.Home).List(ctx, metav1.ListOptions{LabelSelector: check.RunLabel + "=" + e.Run})
	if err != nil {
		return nil, fmt.Errorf("reading the role bindings back: %w; type make status", err)
	}
	var grants []grant
	for _, b := range bindings.Items {
		rules, err := s.rules(ctx, e, b.RoleRef)
		if err != nil {
			return nil, err
		}
		grants = append(grants, grant{b, rules})
	}
	return grants, nil
}

// rules are those of the role that a binding refers to; a role that does not
// exist gives none.
func (s *roleBinding) rules(ctx context.Context, e *check.Env, ref rbacv1.RoleRef) ([]rbacv1.PolicyRule, error) {
	var rules []rbacv1.PolicyRule
	var err error
	if ref.Kind == "ClusterRole" {
		var role *rbacv1.ClusterRole
		if role, err = e.Client.RbacV1().ClusterRoles().Get(ctx, ref.Name, metav1.GetOptions{}); err == nil {
			rules = role.Rules
		}
	} else {
		var role *rbacv1.Role
		if role, err = e.Client.RbacV1().Roles(e.Namespaces.Home).Get(ctx, ref.Name, metav1.GetOptions{}); err == nil {
			rules = role.Rules
		}
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("reading %s %s: %w; type make status", ref.Kind, ref.Name, err)
	}
	return rules, nil
}

// isAccount tells whether a subject is the learner's service account, under
// either of its names. Without a namespace it is one of the binding's own.
func isAccount(e *check.Env, s rbacv1.Subject) bool {
	return s.Kind == "ServiceAccount" && s.Name == "default" && (s.Namespace == e.Namespaces.Home || s.Namespace == "") ||
		s.Kind == "User" && s.Name == account(e)
}

func subjectText(s rbacv1.Subject) string {
	text := s.Kind + " " + s.Name
	if s.Namespace != "" {
		text += " of " + s.Namespace
	}
	return check.Printable(text, 200)
}
