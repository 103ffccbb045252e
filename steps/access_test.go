package steps

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes/fake"

	"rolecall/harness/check"
)

func TestMissingHintNamesTheNearestMistake(t *testing.T) {
	rule := func(group, resource string, names []string, verbs ...string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: []string{resource}, ResourceNames: names, Verbs: verbs}
	}
	get := func(resource string) check.Permission { return check.Permission{Verb: "get", Resource: resource} }
	for name, test := range map[string]struct {
		missing check.Permission
		rule    rbacv1.PolicyRule
		hint    string
	}{
		"another group":    {get("pods"), rule("v1", "pods", nil, "get"), "The resource is in another API group: what"},
		"a named group":    {check.Permission{Verb: "get", Group: "apps", Resource: "deployments"}, rule("", "deployments", nil, "get"), "The resource is in another API group: its name is what"},
		"one name":         {get("pods"), rule("", "pods", []string{"a"}, "get"), "resourceNames narrows"},
		"another verb":     {get("pods"), rule("", "pods", nil, "list"), "The resource is there and the verb is not"},
		"the whole":        {get("pods/log"), rule("", "pods", nil, "get"), "A part of an object"},
		"a part misspelt":  {get("pods/log"), rule("", "pods/logs", nil, "get"), "A part of an object"},
		"a whole's plural": {get("pods/log"), rule("", "pod/log", nil, "get"), "A resource is in the plural before a slash"},
		"a singular":       {get("pods"), rule("", "pod", nil, "get"), "No rule names the resource"},
	} {
		t.Run(name, func(t *testing.T) {
			assert.True(t, strings.HasPrefix(missingHint(test.missing, []rbacv1.PolicyRule{test.rule}), test.hint))
		})
	}
}

const goodAccount = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: reporter}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: a, namespace: rolecall-elsewhere}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: logs}
subjects: [{kind: ServiceAccount, name: reporter, namespace: default}]
`

func TestGrantsNameAccountsThatAreThere(t *testing.T) {
	for name, test := range map[string]struct{ old, new, got string }{
		"as asked for":        {"", "", ""},
		"one that is there":   {"[{kind", "[{kind: ServiceAccount, name: default, namespace: default}, {kind", ""},
		"a user":              {"kind: ServiceAccount, name: reporter", "kind: User, name: nobody", ""},
		"no account":          {"name: reporter}", "name: report}", "ServiceAccount report in default"},
		"another name":        {"name: reporter, ", "name: reprter, ", "RoleBinding a names ServiceAccount reprter in default, and there is none"},
		"no namespace":        {", namespace: default}]", "}]", "RoleBinding a names ServiceAccount reporter in rolecall-elsewhere, and there is none"},
		"an impossible name":  {"name: reporter, ", `name: "a/b", `, "RoleBinding a names ServiceAccount a/b in default, and there is none"},
		"an impossible space": {"namespace: default}]", `namespace: "../x"}]`, "RoleBinding a names ServiceAccount reporter in ../x, and there is none"},
	} {
		t.Run(name, func(t *testing.T) {
			e, f := newEnv(t, roleFile, strings.Replace(goodAccount, test.old, test.new, 1))
			f.serves("serviceaccounts", "ServiceAccount")
			require.NoError(t, f.client.Tracker().Add(&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "default"}}))
			e.Begin("role.manifest", nil)
			require.NoError(t, roleManifest(t.Context(), e))
			e.Begin("role.account", []string{"role.manifest"})
			err := roleAccount(t.Context(), e)
			if test.got == "" {
				require.NoError(t, err)
				return
			}
			assert.Equal(t, test.got, failureOf(t, err).Got)
		})
	}
}

func TestAccountsOfEveryNamespaceAreLeftAlone(t *testing.T) {
	e, f := newEnv(t, roleFile, strings.Replace(goodAccount, "name: reporter}", "name: default}", 1))
	f.serves("serviceaccounts", "ServiceAccount")
	e.Begin("role.manifest", nil)
	assert.Equal(t, "ServiceAccount default, which every namespace has already", failureOf(t, roleManifest(t.Context(), e)).Got)
}

func TestSubjectsAreRelocated(t *testing.T) {
	object := &unstructured.Unstructured{Object: map[string]any{"subjects": []any{
		map[string]any{"kind": "ServiceAccount", "name": "reporter", "namespace": "default"},
		map[string]any{"kind": "User", "name": "system:serviceaccount:rolecall-elsewhere:reporter"},
		map[string]any{"kind": "User", "name": "system:serviceaccount:default"},
		"not a subject",
	}}}
	relocate(object, map[string]string{"default": "x", "rolecall-elsewhere": "x-elsewhere"})
	assert.Equal(t, []any{
		map[string]any{"kind": "ServiceAccount", "name": "reporter", "namespace": "x"},
		map[string]any{"kind": "User", "name": "system:serviceaccount:x-elsewhere:reporter"},
		map[string]any{"kind": "User", "name": "system:serviceaccount:default"},
		"not a subject",
	}, object.Object["subjects"])
}

// TestSettingsThatCannotBeChanged are the program's doing, and no error of ours.
func TestSettingsThatCannotBeChanged(t *testing.T) {
	e := &check.Env{Client: fake.NewSimpleClientset(), Namespaces: Scene().Namespaces}
	f := &following{program: check.Script("lab-7/follow.sh", "")}
	missed, err := f.change(t.Context(), e, mode, "on")
	require.NoError(t, err)
	assert.Contains(t, failureOf(t, missed).Got, "cannot be changed any more")
}

func TestMoreHintNamesWhatIsTooMuch(t *testing.T) {
	asked := []rbacv1.PolicyRule{
		{APIGroups: []string{"apps"}, Resources: []string{"deployments", "deployments/scale"}, ResourceNames: []string{"shop"}, Verbs: []string{"get"}},
		{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"list"}},
	}
	for hint, more := range map[string]rbacv1.PolicyRule{
		"An asterisk":                 {APIGroups: []string{"apps"}, Resources: []string{"*"}, Verbs: []string{"get"}},
		"It is not asked for; and no": {APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: []string{"create"}},
		"A rule without resourceName": {APIGroups: []string{"apps"}, Resources: []string{"deployments/scale"}, Verbs: []string{"get"}}, // one of two resources
		"Leave it out":                {APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"create"}},
	} {
		assert.Contains(t, moreHint(asked, more), hint)
	}
}
