package steps

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"rolecall/harness"
	"rolecall/harness/check"
)

const goodBinding = `
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: a}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects: [{kind: ServiceAccount, name: default, namespace: default}]
`

// run runs the lab's checks until one does not pass, and returns its id and
// why.
func run(t *testing.T, lab harness.Lab, e *check.Env) (string, error) {
	t.Helper()
	for _, c := range lab.Checks {
		e.Begin(c.ID, c.Needs)
		if err := c.Run(t.Context(), e); err != nil {
			return c.ID, err
		}
	}
	return "", nil
}

func TestRoleBinding(t *testing.T) {
	e, f := newEnv(t, bindingFile, goodBinding)
	f.obey("get", "list")
	id, err := run(t, RoleBinding(), e)
	assert.NoError(t, err, id)
}

// TestRoleBindingKeepsWhatTheAccountMayDo, whether or not that is enough.
func TestRoleBindingKeepsWhatTheAccountMayDo(t *testing.T) {
	for name, text := range map[string]string{"enough": goodBinding, "too little": strings.Replace(goodBinding, "name: default,", "name: defualt,", 1)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, f := newEnv(t, bindingFile, text)
			if name == "enough" {
				f.obey("get", "list")
			}
			standing := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "standing"},
				RoleRef: rbacv1.RoleRef{Kind: "ClusterRole", Name: "view"}, Subjects: []rbacv1.Subject{{Kind: "Group", Name: "system:serviceaccounts"}}}
			require.NoError(t, f.client.Tracker().Add(standing))
			var access *check.Access
			for _, c := range RoleBinding().Checks[:3] {
				e.Begin(c.ID, c.Needs)
				_ = c.Run(t.Context(), e)
				for _, seen := range e.Take() {
					if seen.Access != nil {
						access = seen.Access
					}
				}
			}
			require.NotNil(t, access)
			grants := []check.Grant{{Binding: "RoleBinding standing", Role: "ClusterRole view", Rules: viewRules}}
			assert.Equal(t, check.Access{
				Subject: "system:serviceaccount:default:default", Namespace: "default", Limit: check.Grant{Role: "ClusterRole view", Rules: viewRules},
				Before: grants, After: grants,
			}, *access)
		})
	}
}

func TestRoleBindingNamesTheOneMistake(t *testing.T) {
	change := func(old, with string) string {
		require.Contains(t, goodBinding, old)
		return strings.Replace(goodBinding, old, with, 1)
	}
	for name, test := range map[string]struct{ text, got, hint, at string }{
		"Role for ClusterRole": {change("kind: ClusterRole", "kind: Role"), "RoleBinding a refers to the Role view, which does not exist; view is a ClusterRole", "Write kind: ClusterRole under roleRef.", "Role, name: view}"},
		"no such Role":         {change("kind: ClusterRole, name: view", "kind: Role, name: viewer"), "RoleBinding a refers to the Role viewer, which does not exist", "Write kind: ClusterRole and name: view under roleRef.", "viewer}"},
		"no such ClusterRole":  {change("name: view", "name: veiw"), "RoleBinding a refers to the ClusterRole veiw, which does not exist", "Write name: view under roleRef.", "veiw}"},
		"a User":               {change("kind: ServiceAccount, name: default, namespace: default", "kind: User, name: default"), "RoleBinding a names User default as its subject", "A service account is not a User: write kind: ServiceAccount, without apiGroup.", "User, name"},
		"another name":         {change("name: default, ", "name: defualt, "), "RoleBinding a names ServiceAccount defualt in default as its subject", "Write name: default under subjects.", "defualt,"},
		"another namespace":    {change("namespace: default", "namespace: kube-system"), "RoleBinding a names ServiceAccount default in kube-system as its subject", "Write namespace: default under subjects: the account is in that namespace.", "kube-system}"},
		"a name cut short":     {change("kind: ServiceAccount, name: default, namespace: default", `kind: User, name: "system:serviceaccount:default"`), "RoleBinding a names User system:serviceaccount:default as its subject", "Name the account: kind ServiceAccount, name default, namespace default.", "User, name"},
		"no subject":           {change("[{kind: ServiceAccount, name: default, namespace: default}]", "[]"), "RoleBinding a names no subject", "Name one under subjects: kind ServiceAccount, name default, namespace default.", "subjects: []"},
		"a Role alone":         {"apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: a}\n", "no RoleBinding, so nobody gets anything", "Add a RoleBinding: a Role alone says what may be done, and a RoleBinding says who may.", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // each waits a second for the authorizer
			e, _ := newEnv(t, bindingFile, test.text)
			id, err := run(t, RoleBinding(), e)
			assert.Equal(t, "rolebinding.allows-view", id)
			failure := failureOf(t, err)
			assert.True(t, strings.HasPrefix(at(t, failure, test.text), test.at), at(t, failure, test.text))
			failure.Position = check.Position{}
			assert.Equal(t, check.Failure{
				Want: "all 4 permissions of the ClusterRole view, for system:serviceaccount:default:default", Got: test.got, Hint: test.hint,
			}, failure)
		})
	}
}

func TestRoleBindingFindsWhatIsMore(t *testing.T) {
	const admin = "\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: b}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: admin}\nsubjects: "
	for name, test := range map[string]struct{ subjects, id, got string }{
		"to the account":         {"[{kind: ServiceAccount, name: default, namespace: default}]", "rolebinding.no-more", "RoleBinding b also allows: delete pods"},
		"to the account's name":  {`[{kind: User, name: "system:serviceaccount:default:default"}]`, "rolebinding.no-more", "RoleBinding b also allows: delete pods"},
		"to a group of it":       {`[{kind: Group, name: "system:serviceaccounts:default"}]`, "rolebinding.no-more", "RoleBinding b also allows: delete pods"},
		"to everybody":           {`[{kind: Group, name: "system:authenticated"}]`, "rolebinding.no-more", "RoleBinding b also allows: delete pods"},
		"to another":             {"[{kind: ServiceAccount, name: robot, namespace: default}]", "rolebinding.only-default", "RoleBinding b also reaches ServiceAccount robot in default"},
		"to another's namespace": {"[{kind: ServiceAccount, name: default, namespace: kube-system}]", "rolebinding.only-default", "RoleBinding b also reaches ServiceAccount default in kube-system"},
	} {
		t.Run(name, func(t *testing.T) {
			e, f := newEnv(t, bindingFile, goodBinding+admin+test.subjects+"\n")
			require.NoError(t, f.client.Tracker().Add(&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "admin"}, Rules: []rbacv1.PolicyRule{
				{Verbs: []string{"delete"}, APIGroups: []string{""}, Resources: []string{"pods"}}}}))
			f.obey("get", "list")
			id, err := run(t, RoleBinding(), e)
			assert.Equal(t, test.id, id)
			failure := failureOf(t, err)
			assert.Equal(t, test.got, failure.Got)
			wrong := "admin}"
			if test.id == "rolebinding.only-default" {
				wrong = test.subjects[1:]
			}
			assert.Equal(t, wrong, at(t, failure, goodBinding+admin+test.subjects+"\n"))
		})
	}
}

// TestAccessThatNoObjectGives is somebody else's, and never costs points.
func TestAccessThatNoObjectGives(t *testing.T) {
	e, f := newEnv(t, bindingFile, goodBinding)
	f.obey("get", "list")
	for _, c := range RoleBinding().Checks {
		e.Begin(c.ID, c.Needs)
		err := c.Run(t.Context(), e)
		if c.ID == "rolebinding.allows-view" {
			f.rules = []authorizationv1.ResourceRule{{Verbs: []string{"delete"}, APIGroups: []string{""}, Resources: []string{"pods"}}}
		}
		if c.ID != "rolebinding.no-more" {
			require.NoError(t, err, c.ID)
			continue
		}
		_, learners := check.AsFailure(err)
		assert.False(t, learners)
		assert.ErrorContains(t, err, "the authorizer allows delete pods, which no object of the lab grants")
	}
}

// TestAnAuthorizerThatDoesNotFollow is our error: the objects grant view.
func TestAnAuthorizerThatDoesNotFollow(t *testing.T) {
	t.Parallel()
	e, _ := newEnv(t, bindingFile, goodBinding)
	id, err := run(t, RoleBinding(), e)
	assert.Equal(t, "rolebinding.allows-view", id)
	_, learners := check.AsFailure(err)
	assert.False(t, learners, "%v", err)
}

func TestClusterRolesAreRefusedWhateverIsThere(t *testing.T) {
	e, f := newEnv(t, bindingFile, "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: view}\n")
	f.refuse(apierrors.NewAlreadyExists(schema.GroupResource{Resource: "clusterroles"}, "view"))
	id, err := run(t, RoleBinding(), e)
	assert.Equal(t, "rolebinding.namespaced", id)
	assert.Equal(t, "a ClusterRole named view", failureOf(t, err).Got)
}

func TestSubjectsOfDefaultAreThoseOfTheLearnersNamespace(t *testing.T) {
	e, f := newEnv(t, bindingFile, goodBinding+`
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: b, namespace: default}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects: [{kind: User, name: "system:serviceaccount:default:default"}]
`)
	e.Namespaces = append(e.Namespaces[:0:0], e.Namespaces...)
	e.Namespaces[0].Name = "rolecall-x"
	f.obey("get", "list")
	id, err := run(t, RoleBinding(), e)
	require.NoError(t, err, id)
}
