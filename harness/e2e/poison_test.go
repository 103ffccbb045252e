package e2e_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"rolecall/harness"
	"rolecall/harness/check"
	"rolecall/harness/cluster"
)

// edited is the reference solutions with one object changed.
func edited(t *testing.T, file string, change func(object map[string]any) any) string {
	t.Helper()
	dir := solutions(t)
	file = filepath.Join(dir, filepath.FromSlash(file))
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var object map[string]any
	require.NoError(t, yaml.Unmarshal(text, &object))
	text, err = yaml.Marshal(change(object))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, text, 0o644))
	return dir
}

// inMetadata changes an object's metadata.
func inMetadata(key string, value any) func(map[string]any) any {
	return func(object map[string]any) any {
		object["metadata"].(map[string]any)[key] = value
		return object
	}
}

const finalizer = "example.com/stays"

// TestWhatWouldOutliveALabIsRefused hands in objects that stay when they are
// deleted, or go when nobody deletes them. Their lab fails on its manifest, and
// the next one is judged as always.
func TestWhatWouldOutliveALabIsRefused(t *testing.T) {
	b := bed(t)
	b.afterwards(t)
	owner := []any{map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "name": "nobody", "uid": "8c3f5d0e-0000-4000-8000-000000000000"}}
	for _, test := range []struct {
		file, fails string
		lab, next   int
	}{
		{"lab-1/pod.yaml", "pod.manifest", 1, 2},
		{"lab-4/rolebinding.yaml", "rolebinding.manifest", 4, 5},
	} {
		for key, value := range map[string]any{"finalizers": []any{finalizer}, "ownerReferences": owner} {
			t.Run(test.file+" "+key, func(t *testing.T) {
				dir := edited(t, test.file, inMetadata(key, value))
				assert.NoError(t, b.unchanged(t.Context(), func() error {
					result, err := b.run(t.Context(), []harness.Lab{lab(t, test.lab), lab(t, test.next)}, dir)
					require.NoError(t, err)
					failed := with(result.Labs[0], harness.Fail)
					require.Len(t, failed, 1, words(result.Labs[0]))
					assert.Equal(t, test.fails, failed[0].ID)
					assert.Contains(t, failed[0].Got+failed[0].Hint, key)
					assert.Empty(t, with(result.Labs[0], harness.Error), words(result.Labs[0]))
					assert.Equal(t, harness.Pass, result.Labs[1].Outcome, words(result.Labs[1]))
					assert.Empty(t, result.Labs[0].Cleanup+result.Labs[1].Cleanup)
					return nil
				}))
			})
		}
	}
}

// afterwards deletes what a failed test with finalizers leaves.
func (b testbed) afterwards(t *testing.T) {
	t.Helper()
	client, home := b.client(t), b.Namespaces().Home()
	free := []byte(`{"metadata":{"finalizers":null}}`)
	t.Cleanup(func() {
		ctx := context.Background() // the test is over
		pods, err := client.CoreV1().Pods(home).List(ctx, metav1.ListOptions{})
		require.NoError(t, err)
		for _, pod := range pods.Items {
			_, _ = client.CoreV1().Pods(home).Patch(ctx, pod.Name, types.MergePatchType, free, metav1.PatchOptions{})
			_ = client.CoreV1().Pods(home).Delete(ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))})
		}
		bindings, err := client.RbacV1().RoleBindings(home).List(ctx, metav1.ListOptions{})
		require.NoError(t, err)
		for _, binding := range bindings.Items {
			_, _ = client.RbacV1().RoleBindings(home).Patch(ctx, binding.Name, types.MergePatchType, free, metav1.PatchOptions{})
			_ = client.RbacV1().RoleBindings(home).Delete(ctx, binding.Name, metav1.DeleteOptions{})
		}
	})
}

// held is a role binding that does not go when it is deleted.
func (b testbed) held(t *testing.T, labels map[string]string) (gone func() bool) {
	t.Helper()
	bindings := b.client(t).RbacV1().RoleBindings(b.Namespaces().Home())
	_, err := bindings.Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "held", Finalizers: []string{finalizer}, Labels: labels},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Name: "default", Namespace: b.Namespaces().Home()}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	b.afterwards(t)
	return func() bool {
		_, err := bindings.Get(t.Context(), "held", metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	}
}

// TestHeldObjectsAreDeleted leaves objects with a finalizer in the cluster: one
// that a learner made by hand stays until make reset deletes it, and says which
// it was; one that a killed run made is gone with the next run.
func TestHeldObjectsAreDeleted(t *testing.T) {
	b, dir := bed(t), solutions(t)
	t.Run("by hand", func(t *testing.T) {
		assert.NoError(t, b.unchanged(t.Context(), func() error {
			gone := b.held(t, nil)
			result, err := b.run(t.Context(), []harness.Lab{lab(t, 3)}, dir)
			require.NoError(t, err)
			assert.Equal(t, harness.Error, result.Outcome, "it gives access that no lab gave")
			assert.Contains(t, result.Labs[0].Checks[0].Error, "RoleBinding held")
			assert.NotEmpty(t, result.Labs[0].Checks[0].Next)
			assert.False(t, gone(), "it is the learner's until they say so")
			c := b.rolecall(t, "reset")
			said, err := c.CombinedOutput()
			require.NoError(t, err, "%s", said)
			assert.Contains(t, string(said), "held")
			assert.True(t, gone(), "%s", said)
			return nil
		}))
		b.passes(t, 3)
	})
	t.Run("of a run", func(t *testing.T) {
		assert.NoError(t, b.unchanged(t.Context(), func() error {
			gone := b.held(t, map[string]string{check.RunLabel: "run-killed"})
			b.passes(t, 3)
			assert.True(t, gone())
			return nil
		}))
	})
}

// kubectl runs kubectl in a cluster.
func (b testbed) kubectl(t *testing.T, args ...string) string {
	t.Helper()
	said, err := b.rolecall(t, append([]string{"kubectl", "--"}, args...)...).CombinedOutput()
	require.NoError(t, err, "%s", said)
	return string(said)
}

// TestExportIsTaken hands in what kubectl get -o yaml says of a running pod,
// and of several objects.
func TestExportIsTaken(t *testing.T) {
	b, dir := bed(t), solutions(t)
	for name, get := range map[string][]string{
		"an object": {"get", "pod/mine", "-o", "yaml"},
		"a list":    {"get", "pods", "-l", "is=mine", "-o", "yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(edited(t, "lab-1/pod.yaml", func(object map[string]any) any {
				object["metadata"] = map[string]any{"name": "mine", "labels": map[string]any{"is": "mine"}}
				return object
			}), "lab-1/pod.yaml")
			b.kubectl(t, "apply", "-f", file)
			deleted := func() { b.kubectl(t, "delete", "pod", "mine", "--now", "--ignore-not-found") }
			t.Cleanup(deleted)
			b.kubectl(t, "wait", "--for=condition=Ready", "pod/mine", "--timeout=60s")
			export := b.kubectl(t, get...)
			deleted()
			require.Contains(t, export, "uid: ")
			require.NoError(t, os.WriteFile(filepath.Join(dir, "lab-1/pod.yaml"), []byte(export), 0o644))
			result, err := b.run(t.Context(), []harness.Lab{lab(t, 1)}, dir)
			require.NoError(t, err)
			assert.Equal(t, harness.Pass, result.Outcome, words(result.Labs[0]))
		})
	}
}

// TestFormsThatToolsWrite hands in a List, and a name that the server ends.
func TestFormsThatToolsWrite(t *testing.T) {
	b := bed(t)
	list := func(object map[string]any) any {
		return map[string]any{"apiVersion": "v1", "kind": "List", "items": []any{object}}
	}
	generated := func(object map[string]any) any {
		object["metadata"] = map[string]any{"generateName": "mine-"}
		return object
	}
	for _, test := range []struct {
		lab  int
		file string
	}{{1, "lab-1/pod.yaml"}, {4, "lab-4/rolebinding.yaml"}} {
		for name, change := range map[string]func(map[string]any) any{"List": list, "generateName": generated} {
			t.Run(test.file+" "+name, func(t *testing.T) {
				assert.NoError(t, b.unchanged(t.Context(), func() error {
					result, err := b.run(t.Context(), []harness.Lab{lab(t, test.lab)}, edited(t, test.file, change))
					require.NoError(t, err)
					assert.Equal(t, harness.Pass, result.Outcome, words(result.Labs[0]))
					return nil
				}))
			})
		}
	}
}

// TestObjectInTheWayIsNamed has the learner's own pod in the way of the lab's:
// nothing is judged, and the command that deletes exactly it is said.
func TestObjectInTheWayIsNamed(t *testing.T) {
	b, dir := bed(t), solutions(t)
	b.kubectl(t, "apply", "-f", filepath.Join(dir, "lab-1/pod.yaml"))
	mine := strings.TrimSpace(b.kubectl(t, "get", "-f", filepath.Join(dir, "lab-1/pod.yaml"), "-o", "name"))
	t.Cleanup(func() { b.kubectl(t, "delete", mine, "--now", "--ignore-not-found") })
	result, err := b.run(t.Context(), []harness.Lab{lab(t, 1)}, dir)
	require.NoError(t, err)
	broken := with(result.Labs[0], harness.Error)
	require.NotEmpty(t, broken, words(result.Labs[0]))
	assert.Empty(t, with(result.Labs[0], harness.Fail), words(result.Labs[0]))
	_, pod, _ := strings.Cut(mine, "/")
	assert.Contains(t, broken[0].Error, pod)
	arguments, found := strings.CutPrefix(broken[0].Next, `make kubectl ARGS="`)
	require.True(t, found, "%s: next: %s", broken[0].Error, broken[0].Next)
	b.kubectl(t, strings.Fields(strings.TrimSuffix(arguments, `"`))...)
	b.passes(t, 1)
}

// TestUnschedulablePodFailsSoon hands in pods that no node can take. The
// scheduler knows at once, and the learner reads what it says.
func TestUnschedulablePodFailsSoon(t *testing.T) {
	b := bed(t)
	for name, test := range map[string]struct {
		change func(spec map[string]any)
		says   string
	}{
		"too much cpu": {func(spec map[string]any) {
			container := spec["containers"].([]any)[0].(map[string]any)
			container["resources"] = map[string]any{"requests": map[string]any{"cpu": "64"}}
		}, "Insufficient cpu"},
		"no such claim": {func(spec map[string]any) {
			spec["volumes"] = []any{map[string]any{"name": "data", "persistentVolumeClaim": map[string]any{"claimName": "nobody"}}}
		}, `persistentvolumeclaim "nobody" not found`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := edited(t, "lab-1/pod.yaml", func(object map[string]any) any {
				test.change(object["spec"].(map[string]any))
				return object
			})
			result, err := b.run(t.Context(), []harness.Lab{lab(t, 1)}, dir)
			require.NoError(t, err)
			failed := with(result.Labs[0], harness.Fail)
			require.Len(t, failed, 1, words(result.Labs[0]))
			assert.Equal(t, "pod.running", failed[0].ID)
			assert.Contains(t, failed[0].Got, test.says)
			assert.NotContains(t, failed[0].Hint, "probes")
			assert.Less(t, failed[0].DurationMs, int64(15_000), "some 4 s, far from the 30 s that a pod has to become Ready; the rest is room for a busy machine")
		})
	}
}

// TestKubectlWaitsForNobody runs commands that change no cluster of ours while
// another command uses it.
func TestKubectlWaitsForNobody(t *testing.T) {
	b := bed(t)
	release, err := cluster.Lock(t.Context(), fix.options.Home, b, fix.options.Say)
	require.NoError(t, err)
	t.Cleanup(release)
	for _, words := range [][]string{{"kubectl", "--", "get", "namespaces"}, {"status"}} {
		said, err := b.rolecall(t, words...).CombinedOutput() // would hang
		require.NoError(t, err, "%s", said)
		assert.NotContains(t, string(said), "waiting")
	}
}
