package check

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const file = "lab-1/pod.yaml"

// anything takes pods and roles, in default, which is called home here.
var anything = Wanted{
	File: file, Want: "objects in default",
	Kinds:      []schema.GroupVersionKind{podKind, roleKind, clusterRoleKind},
	Namespaces: map[string]string{"default": "home"},
	Hint:       "Pods and Roles only.",
}

func read(t *testing.T, w Wanted, text string) ([]*unstructured.Unstructured, []Evidence, error) {
	t.Helper()
	e, _ := newEnv(t, map[string]string{file: text})
	objects, err := e.Objects(t.Context(), w)
	return objects, e.Take(), err
}

func TestObjectsTakesWhatIsRight(t *testing.T) {
	pod := "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"
	for name, test := range map[string]struct {
		text  string
		names []string
	}{
		"YAML":              {pod, []string{"a"}},
		"JSON":              {`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}`, []string{"a"}},
		"a leading ---":     {"---\n# a pod\n---\n" + pod + "--- # the end\n", []string{"a"}},
		"two":               {pod + "---\n" + strings.ReplaceAll(pod, "name: a", "name: b"), []string{"a", "b"}},
		"generateName":      {"apiVersion: v1\nkind: Pod\nmetadata: {generateName: a-}\n", []string{""}},
		"one name twice":    {pod + "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: a}\n", []string{"a", "a"}},
		"a List":            {"apiVersion: v1\nkind: List\nmetadata: {resourceVersion: \"\"}\nitems:\n- " + strings.ReplaceAll(strings.TrimSpace(pod), "\n", "\n  ") + "\n", []string{"a"}},
		"a PodList":         {"apiVersion: v1\nkind: PodList\nitems:\n- metadata: {name: a}\n- metadata: {name: b}\n", []string{"a", "b"}},
		"a List in a List":  {"apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: PodList, items: [{metadata: {name: a}}]}\n", []string{"a"}},
		"an alias":          {"apiVersion: v1\nkind: Pod\nmetadata: {name: &n a, labels: {app: *n}}\n", []string{"a"}},
		"the namespace":     {"apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: default}\n", []string{"a"}},
		"empty finalizers":  {"apiVersion: v1\nkind: Pod\nmetadata: {name: a, finalizers: [], ownerReferences: }\n", []string{"a"}},
		"a block with ---":  {"apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  x: |\n    ---\n    b\n", []string{"a"}},
		"a cluster's":       {"apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: a}\n", []string{"a"}},
		"many comment docs": {strings.Repeat("# nothing\n---\n", 10_000) + pod, []string{"a"}},
	} {
		t.Run(name, func(t *testing.T) {
			objects, evidence, err := read(t, anything, test.text)
			require.NoError(t, err)
			var names []string
			for _, o := range objects {
				names = append(names, o.GetName())
				assert.Equal(t, "run-a", o.GetLabels()[RunLabel])
				if o.GetKind() != "ClusterRole" {
					assert.Equal(t, "home", o.GetNamespace())
				}
			}
			assert.Equal(t, test.names, names)
			assert.Empty(t, evidence)
		})
	}
}

func TestObjectsDropsWhatOnlyAServerSets(t *testing.T) {
	objects, evidence, err := read(t, anything, `
apiVersion: v1
kind: Pod
metadata:
  name: a
  generateName: a-
  labels: {app: a}
  annotations: {note: b}
  uid: x
  resourceVersion: "1"
  generation: 1
  creationTimestamp: "2026-01-01T00:00:00Z"
  deletionTimestamp: "2026-01-01T00:00:00Z"
  deletionGracePeriodSeconds: 30
  managedFields: [{manager: kubectl}]
  selfLink: /a
  typo: kept
spec: {priority: 0}
status: {phase: Running}
`)
	require.NoError(t, err)
	assert.Equal(t, map[string]any{
		"apiVersion": "v1", "kind": "Pod",
		"metadata": map[string]any{
			"name": "a", "generateName": "a-", "namespace": "home", "annotations": map[string]any{"note": "b"},
			"labels": map[string]any{"app": "a", RunLabel: "run-a"},
			"typo":   "kept", // for the API server to refuse
		},
		"spec": map[string]any{"priority": int64(0)}, // an integer stays one
	}, objects[0].Object)
	assert.Equal(t, []Evidence{{Object: "lab-1/pod.yaml: dropped from Pod a, because only a server sets it: uid, resourceVersion, generation, creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds, managedFields, selfLink, status"}}, evidence)

	_, evidence, err = read(t, anything, "apiVersion: v1\nkind: Pod\nmetadata: {name: a, creationTimestamp: null}\nstatus: {}\n")
	require.NoError(t, err)
	assert.Empty(t, evidence, "kubectl create --dry-run prints these, and they say nothing")
}

func TestObjectsSaysWhatIsWrong(t *testing.T) {
	one := anything
	one.One = true
	pod := func(metadata string) string { return "apiVersion: v1\nkind: Pod\nmetadata: " + metadata + "\n" }
	for name, test := range map[string]struct{ text, got, hint string }{
		"comments only":       {"# nothing\n---\n", "no object, only comments or blank lines", "Remove the #"},
		"null":                {"null\n", "no object, only comments", "Remove the #"},
		"duplicate key":       {"apiVersion: v1\nkind: Pod\nspec:\n  a: 1\n  a: 2\n", `invalid YAML: line 5: key "a" already set in map`, "twice"},
		"in a later document": {"# one\n---\n# two\n---\napiVersion: v1\nkind: Pod\nspec:\n  a: 1\n  a: 2\n", `invalid YAML: line 9: key "a" already set in map`, "twice"},
		"tab":                 {"apiVersion: v1\n\tkind: Pod\n", "invalid YAML: line 2", "Line 2 is indented with a tab; YAML wants spaces."},
		"fence":               {"```yaml\n" + pod("{name: a}") + "```\n", "line 1 is a Markdown fence: ```yaml", "Remove the lines that start with ```."},
		"fence at the end":    {pod("{name: a}") + "```\n", "line 4 is a Markdown fence: ```", "Remove the lines"},
		"at sign":             {"a: @b\n", "invalid YAML: found character", "needs quotes"},
		"colon":               {"a: b: c\n", "invalid YAML: mapping values", "a colon and a space needs quotes"},
		"a list":              {"- a\n- b\n", "a list where an object belongs", "Remove the - in front"},
		"a word":              {"pod\n", `a document that is not an object: "pod"`, "starts with apiVersion"},
		"no kind":             {"apiVersion: v1\nmetadata: {}\n", "an object without apiVersion or kind", "starts with apiVersion"},
		"capitals in keys":    {"apiVersion: v1\nKind: Pod\n", "the key Kind", "Capitals count"},
		"kind is a number":    {"apiVersion: v1\nkind: 3\n", "an object without apiVersion or kind", ""},
		"capitals in kind":    {"apiVersion: v1\nkind: pod\n", "v1 pod", "Capitals count: write kind: Pod."},
		"another version":     {"apiVersion: apps/v1\nkind: Pod\n", "apps/v1 Pod", "Write apiVersion: v1 for a Pod."},
		"another kind":        {"apiVersion: apps/v1\nkind: Deployment\n", "apps/v1 Deployment", "Pods and Roles only."},
		"two":                 {pod("{name: a}") + "---\n" + pod("{name: b}"), "2 objects (Pod, Pod)", "a line --- starts another"},
		"a List of two":       {"apiVersion: v1\nkind: PodList\nitems: [{metadata: {name: a}}, {metadata: {name: b}}]\n", "2 objects (Pod, Pod)", ""},
		"a List of nothing":   {"apiVersion: v1\nkind: List\n", "a List without items", "Write the object itself."},
		"a List of words":     {"apiVersion: v1\nkind: List\nitems: [a]\n", `a document that is not an object: "a"`, ""},
		"many":                {strings.Repeat(pod("{name: a}")+"---\n", 60), "more than 50", "Keep what the lab asks for."},
		"many in a List":      {"apiVersion: v1\nkind: PodList\nitems: [" + strings.Repeat("{metadata: {name: a}},", 60) + "]\n", "more than 50 objects", ""},
		"no name":             {"apiVersion: v1\nkind: Pod\n", "a Pod without metadata.name", "Give it a name"},
		"name at the top":     {"apiVersion: v1\nkind: Pod\nmetadata:\nname: a\n", "the field name (a) at the top of a Pod", "Indent name under metadata."},
		"name is a number":    {pod("{name: 3}"), "metadata.name: 3, which is not text", "Put it in quotes."},
		"namespace a number":  {pod("{name: a, namespace: 3}"), "metadata.namespace: 3", "Put it in quotes."},
		"metadata a word":     {pod("a"), "metadata that is not a map", "on a line below metadata:"},
		"another namespace":   {pod("{name: a, namespace: kube-system}"), "a Pod in the namespace kube-system", "Leave metadata.namespace out, or write default."},
		"finalizers":          {pod("{name: a, finalizers: [x/y]}"), "a Pod with metadata.finalizers", "Leave metadata.finalizers out"},
		"finalizers a word":   {pod("{name: a, finalizers: x/y}"), "a Pod with metadata.finalizers", ""},
		"ownerReferences":     {pod("{name: a, ownerReferences: [{name: b}]}"), "a Pod with metadata.ownerReferences", "Leave metadata.ownerReferences out"},
		"an escape":           {"apiVersion: v1\nkind: \"\\e[2J\"\n", `v1 \x1b[2J`, ""},
		"hidden behind ...":   {pod("{name: a}") + "...\n" + pod("{name: b}"), "something after the end of a document", "a line that holds --- and nothing else"},
		"hidden behind ---":   {pod("{name: a}") + "--- {apiVersion: v1, kind: Pod, metadata: {name: b}}\n", "something after the end of a document", ""},
		"deep":                {strings.Repeat("{a: ", 20000), "invalid YAML", ""},
		"anchors that double": {bomb(), "aliases (*name) that make the file larger than 8 MiB", "Write the values out"},
		"anchors that repeat": {"a: &a \"" + strings.Repeat("x", 300_000) + "\"\nb: [" + strings.Repeat("*a, ", 2000) + "]\n", "aliases (*name)", ""},
		"an anchor in itself": {"a: &a [*a]\n", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			_, _, err := read(t, one, test.text)
			failure, learners := AsFailure(err)
			require.True(t, learners, "%v", err)
			assert.Contains(t, failure.Got, test.got)
			assert.Contains(t, failure.Hint, test.hint)
			assert.NotEmpty(t, failure.Hint)
			assert.Less(t, len(failure.Got), 500)
			assert.Less(t, time.Since(began), 5*time.Second)
		})
	}
}

func TestTwoObjectsOfOneName(t *testing.T) {
	role := "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: a}\n"
	_, _, err := read(t, anything, role+"---\n"+strings.ReplaceAll(role, "{name: a}", "{name: a, namespace: default}"))
	failure, learners := AsFailure(err)
	require.True(t, learners, "%v", err)
	assert.Equal(t, "two objects Role a in home", failure.Got)
}

func TestWrongLabelsStayForTheServerToRefuse(t *testing.T) {
	objects, _, err := read(t, anything, "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: [b]}\n")
	require.NoError(t, err)
	assert.Equal(t, []any{"b"}, objects[0].Object["metadata"].(map[string]any)["labels"])
	objects, _, err = read(t, anything, "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {b: 1}}\n")
	require.NoError(t, err)
	assert.Equal(t, map[string]any{"b": int64(1), RunLabel: "run-a"}, objects[0].Object["metadata"].(map[string]any)["labels"])
}

// TestAnswersAreReadAsStrictly shows what YAML is for beside manifests.
func TestAnswersAreReadAsStrictly(t *testing.T) {
	e := &Env{Submission: lay(t, map[string]string{"lab-2/answer.yaml": "user: a\nseconds: 600\n"})}
	values, err := e.YAML("lab-2/answer.yaml")
	require.NoError(t, err)
	assert.Equal(t, []any{map[string]any{"user": "a", "seconds": int64(600)}}, values)
}

// bomb is a small YAML text of a thousand million values.
func bomb() string {
	text := "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
	for i := range 9 {
		text += strings.ReplaceAll(strings.ReplaceAll("aN: &aN [*aM,*aM,*aM,*aM,*aM,*aM,*aM,*aM,*aM,*aM]\n", "N", string(rune('1'+i))), "M", string(rune('0'+i)))
	}
	return text
}
