package check

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clienttesting "k8s.io/client-go/testing"

	"rolecall/harness/next"
)

// labelled is an object of a run's; "" is one of nobody's.
func labelled(kind schema.GroupVersionKind, namespace, name, run string, finalizers ...string) *unstructured.Unstructured {
	object := objectOf(kind, name)
	object.SetNamespace(namespace)
	object.SetFinalizers(finalizers)
	if run != "" {
		object.SetLabels(map[string]string{RunLabel: run})
	}
	return object
}

// left are the names of what is there after a sweep.
func left(t *testing.T, f fakes) []string {
	t.Helper()
	var names []string
	for _, resource := range []schema.GroupVersionResource{
		podKind.GroupVersion().WithResource("pods"), roleKind.GroupVersion().WithResource("roles"),
		roleKind.GroupVersion().WithResource("rolebindings"), roleKind.GroupVersion().WithResource("clusterroles"),
	} {
		list, err := f.dynamic.Resource(resource).List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		for _, item := range list.Items {
			names = append(names, item.GetName())
		}
	}
	return names
}

func TestSweepDeletesWhatRunsCreated(t *testing.T) {
	objects := func() []runtime.Object {
		return []runtime.Object{
			labelled(podKind, "home", "this run's", "run-a"),
			labelled(podKind, "elsewhere", "an earlier run's", "run-b"),
			labelled(podKind, "home", "a learner's", ""),
			labelled(podKind, "another", "outside", "run-a"),
			labelled(roleBindingKind, "home", "binding", "run-a"),
			labelled(clusterRoleKind, "", "cluster's", "run-a"),
			labelled(clusterRoleKind, "", "somebody's", "run-b"),
		}
	}
	e, f := newEnv(t, nil, objects()...)
	e.Kinds = append(e.Kinds, clusterRoleKind)
	require.NoError(t, e.Sweep(t.Context()))
	assert.ElementsMatch(t, []string{"a learner's", "outside"}, left(t, f))

	e, f = newEnv(t, nil, objects()...)
	e.Kinds, e.Shared = append(e.Kinds, clusterRoleKind), true
	require.NoError(t, e.Sweep(t.Context()))
	assert.ElementsMatch(t, []string{"a learner's", "outside", "an earlier run's", "cluster's", "somebody's"}, left(t, f), "others use the cluster, and nothing without a namespace is created there")
}

// TestSweepOfNothingIsCheap: one list for each kind, no more.
func TestSweepOfNothingIsCheap(t *testing.T) {
	e, f := newEnv(t, nil)
	require.NoError(t, e.Sweep(t.Context()))
	assert.Len(t, f.dynamic.Actions(), len(e.Kinds))
}

func TestSweepStripsFinalizersAndWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, f := newEnv(t, nil, labelled(podKind, "home", "a", "run-a", "example.com/x"))
		f.dynamic.PrependReactor("delete", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
			return true, nil, nil // as an API server does: it goes when its last finalizer does
		})
		stripped := false
		f.dynamic.PrependReactor("patch", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
			assert.JSONEq(t, `{"metadata":{"finalizers":null}}`, string(action.(clienttesting.PatchAction).GetPatch()))
			stripped = true
			time.AfterFunc(2*time.Second, func() {
				_ = f.dynamic.Tracker().Delete(podKind.GroupVersion().WithResource("pods"), "home", "a")
			})
			return true, &unstructured.Unstructured{}, nil
		})
		began := time.Now()
		require.NoError(t, e.Sweep(t.Context()))
		assert.True(t, stripped)
		assert.Empty(t, left(t, f))
		assert.InDelta(t, 2, time.Since(began).Seconds(), 0.2)
	})
}

func TestSweepSaysWhatIsNotGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, f := newEnv(t, nil, labelled(podKind, "home", "a", "run-a", "example.com/x"), labelled(roleKind, "elsewhere", "b", "run-a", "example.com/x"))
		f.dynamic.PrependReactor("patch", "*", func(clienttesting.Action) (bool, runtime.Object, error) {
			return true, &unstructured.Unstructured{}, nil // and something puts them back
		})
		f.dynamic.PrependReactor("delete", "*", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, nil })
		err := e.Sweep(t.Context())
		assert.EqualError(t, err, "deleting what the lab created: still there after 10s: Pod a in home, Role b in elsewhere")
		assert.Equal(t, "make reset", next.Of(err))
	})
}

func TestSweepTakesWhatIsGoneAlreadyForDone(t *testing.T) {
	e, f := newEnv(t, nil, labelled(podKind, "home", "a", "run-a"))
	f.dynamic.PrependReactor("delete", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		_ = f.dynamic.Tracker().Delete(podKind.GroupVersion().WithResource("pods"), "home", "a")
		return true, nil, apierrors.NewNotFound(schema.GroupResource{Resource: "pods"}, "a")
	})
	require.NoError(t, e.Sweep(t.Context()))
	f.dynamic.PrependReactor("list", "roles", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, assert.AnError })
	assert.ErrorIs(t, e.Sweep(t.Context()), assert.AnError)
}
