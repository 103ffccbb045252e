package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"rolecall/harness"
	"rolecall/harness/check"
)

// TestWhereAFailureIs holds a run's failures to the place of the mistake, which
// is marked § in each text, with a real API server's, shell's and compiler's
// words for it. Windows line ends and a byte-order mark move nothing.
func TestWhereAFailureIs(t *testing.T) {
	const (
		binding = "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata:\n  name: a\n"
		view    = "roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: ClusterRole\n  name: view\n"
		account = "subjects:\n  - kind: ServiceAccount\n    name: default\n    namespace: default\n"
		pod     = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n"
	)
	bed := bed(t)
	for name, test := range map[string]struct{ file, id, text string }{
		"unknown field":          {"lab-4/rolebinding.yaml", "rolebinding.manifest", binding + view + "§subject: []\n"},
		"unknown field, in JSON": {"lab-4/rolebinding.yaml", "rolebinding.manifest", "{\n\t\"apiVersion\": \"rbac.authorization.k8s.io/v1\", \"kind\": \"RoleBinding\",\n\t\"metadata\": {\"name\": \"a\"},\n\t\"roleRef\": {\"apiGroup\": \"rbac.authorization.k8s.io\", \"kind\": \"ClusterRole\", §\"nmae\": \"view\"}\n}\n"},
		"unknown field, deep":    {"lab-1/pod.yaml", "pod.manifest", pod + "  - name: a\n    image: a\n  - name: b\n    §imag: b\n"},
		"unknown in a List":      {"lab-4/rolebinding.yaml", "rolebinding.manifest", "apiVersion: v1\nkind: List\nitems:\n- apiVersion: rbac.authorization.k8s.io/v1\n  kind: Role\n  metadata: {name: a}\n- apiVersion: rbac.authorization.k8s.io/v1\n  kind: RoleBinding\n  metadata: {name: a, §lables: {}}\n  roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: a}\n"},
		"in the third document":  {"lab-4/rolebinding.yaml", "rolebinding.manifest", "# one\n---\n" + binding + view + "---\n" + strings.Replace(binding, "name: a", "name: b", 1) + view + "§subject: []\n"},
		"refused value":          {"lab-4/rolebinding.yaml", "rolebinding.manifest", binding + view + "subjects:\n  - kind: §Serviceaccount\n    name: default\n"},
		"refused value, second":  {"lab-1/pod.yaml", "pod.manifest", pod + "  - {name: a, image: a}\n  - {name: §A_, image: b}\n"},
		"required value":         {"lab-1/pod.yaml", "pod.manifest", pod + "  - §image: a\n"},
		"a number for text":      {"lab-1/pod.yaml", "pod.manifest", pod + "  - name: a\n    image: a\n    env:\n    - {name: a, value: \"1\"}\n    - {name: b, value: §2}\n"},
		"a map for a list":       {"lab-4/rolebinding.yaml", "rolebinding.manifest", binding + view + "§subjects:\n  kind: ServiceAccount\n"},
		"wrong name":             {"lab-1/pod.yaml", "pod.manifest", "apiVersion: v1\nkind: Pod\nmetadata:\n  name: §A_\nspec:\n  containers: [{name: a, image: a}]\n"},
		"another account":        {"lab-1/pod.yaml", "pod.identity", pod + "  - {name: a, image: a}\n  serviceAccountName: §robot\n"},
		"cluster-wide":           {"lab-4/rolebinding.yaml", "rolebinding.namespaced", "apiVersion: rbac.authorization.k8s.io/v1\nkind: §ClusterRoleBinding\nmetadata: {name: a}\n" + view + account},
		"role not there":         {"lab-4/rolebinding.yaml", "rolebinding.allows-view", binding + strings.Replace(view, "view", "§veiw", 1) + account},
		"subject misspelt":       {"lab-4/rolebinding.yaml", "rolebinding.allows-view", binding + view + strings.Replace(account, "name: default", "name: §defualt", 1)},
		"more than view":         {"lab-4/rolebinding.yaml", "rolebinding.no-more", binding + strings.Replace(view, "view", "§edit", 1) + account},
		"another subject":        {"lab-4/rolebinding.yaml", "rolebinding.only-default", binding + view + account + "  - §kind: User\n    name: a\n"},
		"wrong answer":           {"lab-3/answer.yaml", "forbidden.answer", "user: system:serviceaccount:default:default\nverb: §get\nresource: services\nnamespace: default\nreason: Forbidden\n"},
		"sh: an open quote":      {"lab-2/call.sh", "token.authenticated", "#!/bin/sh\necho §\"a\n"},
		"sh: not there":          {"lab-2/call.sh", "token.authenticated", "#!/bin/sh\n§kubectl get services\n"},
		"Go":                     {"lab-5/list.go", "success.allowed", "package main\n\nfunc main() {\n\t_ = \"ä\"; §list()\n}\n"},
	} {
		before, after, _ := strings.Cut(test.text, "§")
		want := check.Position{File: test.file, Line: strings.Count(before, "\n") + 1, Column: len([]rune(before[strings.LastIndexByte(before, '\n')+1:])) + 1}
		if name == "sh: not there" {
			want.Column = 0 // sh names the line alone
		}
		plain := before + after
		for how, text := range map[string]string{"plain": plain, "from Windows": "\ufeff" + strings.ReplaceAll(plain, "\n", "\r\n")} {
			t.Run(name+", "+how, func(t *testing.T) {
				dir := solutions(t)
				folder, _, _ := strings.Cut(test.file, "/")
				if filepath.Ext(test.file) == ".go" {
					require.NoError(t, os.Remove(filepath.Join(dir, strings.TrimSuffix(test.file, ".go")+".sh")))
				}
				require.NoError(t, os.WriteFile(filepath.Join(dir, test.file), []byte(text), 0o644))
				lab, err := fix.course.Named(folder)
				require.NoError(t, err)
				result, err := bed.run(t.Context(), []harness.Lab{lab}, dir)
				require.NoError(t, err)
				failed := with(result.Labs[0], harness.Fail)
				require.Len(t, failed, 1, words(result.Labs[0]))
				assert.Equal(t, test.id, failed[0].ID, failed[0].Got)
				assert.Equal(t, want, failed[0].Position, failed[0].Got)
			})
		}
	}
}

// TestAStarterPointsAtWhatIsToDo: whoever has not begun is shown where to.
func TestAStarterPointsAtWhatIsToDo(t *testing.T) {
	bed := bed(t)
	for _, lab := range fix.course.Labs {
		dir := t.TempDir()
		_, err := fix.course.Starter(lab, dir)
		require.NoError(t, err)
		result, err := bed.run(t.Context(), []harness.Lab{lab}, dir)
		require.NoError(t, err)
		at := with(result.Labs[0], harness.Fail)[0].Position
		text, err := os.ReadFile(filepath.Join(dir, at.File))
		require.NoError(t, err)
		line := []rune(strings.Split(string(text), "\n")[at.Line-1])
		assert.True(t, strings.HasPrefix(string(line[at.Column-1:]), "TODO"), "%s: %s", lab.Slug, at)
	}
}
