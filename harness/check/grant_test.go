package check

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestGrantsToNamesBindingsAndRoles(t *testing.T) {
	pods := []rbacv1.PolicyRule{rule([]string{"get"}, []string{""}, []string{"pods"})}
	e, f := newEnv(t, nil)
	binding := func(name string, role rbacv1.RoleRef, subjects ...rbacv1.Subject) {
		require.NoError(t, f.client.Tracker().Add(&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "home", Name: name}, RoleRef: role, Subjects: subjects}))
	}
	require.NoError(t, f.client.Tracker().Add(&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "view"}, Rules: pods}))
	require.NoError(t, f.client.Tracker().Add(&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: "home", Name: "own"}, Rules: pods}))
	binding("a-by-account", rbacv1.RoleRef{Kind: "ClusterRole", Name: "view"}, rbacv1.Subject{Kind: "ServiceAccount", Name: "default"})
	binding("b-by-name", rbacv1.RoleRef{Kind: "Role", Name: "own"}, rbacv1.Subject{Kind: "User", Name: "system:serviceaccount:home:default"})
	binding("c-by-group", rbacv1.RoleRef{Kind: "Role", Name: "gone"}, rbacv1.Subject{Kind: "Group", Name: "system:serviceaccounts:home"})
	binding("d-another", rbacv1.RoleRef{Kind: "ClusterRole", Name: "view"}, rbacv1.Subject{Kind: "ServiceAccount", Name: "default", Namespace: "elsewhere"})
	require.NoError(t, f.client.Tracker().Add(&rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "all"},
		RoleRef: rbacv1.RoleRef{Kind: "ClusterRole", Name: "view"}, Subjects: []rbacv1.Subject{{Kind: "Group", Name: "system:authenticated"}}}))

	grants, err := e.GrantsTo(t.Context(), ServiceAccount("home", "default"), "home")
	require.NoError(t, err)
	assert.Equal(t, []Grant{
		{Binding: "RoleBinding a-by-account", Role: "ClusterRole view", Rules: pods},
		{Binding: "RoleBinding b-by-name", Role: "Role own", Rules: pods},
		{Binding: "RoleBinding c-by-group", Role: "Role gone"},
		{Binding: "ClusterRoleBinding all", Role: "ClusterRole view", Rules: pods},
	}, grants)
}

func TestVerbsOfAGrant(t *testing.T) {
	g := Grant{Rules: []rbacv1.PolicyRule{
		rule([]string{"get", "list"}, []string{""}, []string{"pods", "*/log"}),
		rule([]string{"*"}, []string{"apps"}, []string{"*"}),
		{Verbs: []string{"update"}, APIGroups: []string{""}, Resources: []string{"pods"}, ResourceNames: []string{"a"}},
		{Verbs: []string{"get"}, NonResourceURLs: []string{"/healthz*"}},
		{APIGroups: []string{""}, Resources: []string{"secrets"}},
	}}
	named := rule(nil, []string{""}, []string{"pods"})
	named.ResourceNames = []string{"a"}
	for want, on := range map[string]rbacv1.PolicyRule{
		"get list":        rule(nil, []string{""}, []string{"pods"}),
		"get list update": named,
		"*":               rule(nil, []string{"apps"}, []string{"deployments"}),
		"get":             {NonResourceURLs: []string{"/healthz/x"}},
		"":                rule(nil, []string{""}, []string{"secrets"}),
	} {
		assert.Equal(t, want, strings.Join(g.Verbs(on), " "))
	}
}

// TestAccessIsBounded: however many rules a learner writes, and however long.
func TestAccessIsBounded(t *testing.T) {
	var many []rbacv1.PolicyRule
	for i := range 100_000 {
		many = append(many, rule([]string{"get"}, []string{""}, []string{fmt.Sprintf("r%d", i)}))
	}
	var words []string
	for i := range 5_000 {
		words = append(words, fmt.Sprintf("w%d\x1b", i))
	}
	long := []rbacv1.PolicyRule{rule([]string{"get"}, []string{""}, []string{"pods"}), rule(words, words, words), rule([]string{strings.Repeat("x", 1<<20)}, []string{""}, []string{"pods"})}
	for name, rules := range map[string][]rbacv1.PolicyRule{"many": many, "long": long} {
		grants := []Grant{{Binding: "RoleBinding " + strings.Repeat("n", 300), Role: "Role a", Rules: rules}, {Binding: "RoleBinding b", Role: "Role b", Rules: rules}}
		text, err := json.Marshal(Access{Limit: grants[0], Before: grants, After: grants}.Evidence())
		require.NoError(t, err)
		assert.Less(t, len(text), 300<<10, name)
		assert.NotContains(t, string(text), `\u001b`, name)
		var back Evidence
		require.NoError(t, json.Unmarshal(text, &back))
		assert.NotEmpty(t, back.Access.After[0].Rules, name)
		assert.Positive(t, back.Access.After[0].Cut, name)
		assert.Len(t, back.Access.After, 2, name)
	}
	short := []rbacv1.PolicyRule{rule([]string{"get"}, []string{""}, []string{"pods"})}
	after := Access{After: []Grant{{Rules: many}, {Rules: short}}}.Evidence().Access.After
	assert.Equal(t, short, after[1].Rules, "a long one takes no room from a short one")
	assert.Positive(t, after[0].Cut)
	assert.Len(t, many, 100_000)
	assert.Len(t, long[1].Verbs, 5_000, "what is judged stays whole")
}
