package scene

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"
)

const manifest = `# A namespace,
# and what is in it.
apiVersion: v1
kind: Namespace
metadata: {name: "{{.home}}"}
---
# nothing
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: all, namespace: "{{.home}}"}
`

func TestApplyKeepsTheOrder(t *testing.T) {
	text, err := fill(manifest, map[string]string{"home": "kitchen"})
	require.NoError(t, err)
	client := fake.NewSimpleDynamicClient(runtime.NewScheme())
	var sent []string
	client.PrependReactor("patch", "*", func(action clienttesting.Action) (bool, runtime.Object, error) {
		patch := action.(clienttesting.PatchAction)
		sent = append(sent, patch.GetResource().String()+" "+patch.GetNamespace()+"/"+patch.GetName())
		return true, &unstructured.Unstructured{Object: map[string]any{}}, nil
	})
	kinds := meta.NewDefaultRESTMapper(nil)
	kinds.Add(schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}, meta.RESTScopeRoot)
	kinds.Add(schema.GroupVersionKind{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "RoleBinding"}, meta.RESTScopeNamespace)
	require.NoError(t, applier{client, kinds}.apply(t.Context(), text))
	assert.Equal(t, []string{"/v1, Resource=namespaces /kitchen", "rbac.authorization.k8s.io/v1, Resource=rolebindings kitchen/all"}, sent)
}

func TestFillMissesNothing(t *testing.T) {
	_, err := fill(manifest, map[string]string{"viewer": "kitchen"})
	require.ErrorContains(t, err, "home")
}

func TestUntil(t *testing.T) {
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "namespaces"}, "x", errors.New("not yours"))
	for name, c := range map[string]struct {
		answer func(since time.Duration) error
		within time.Duration
		says   string
	}{
		"at once":          {func(time.Duration) error { return nil }, 0, ""},
		"ready later":      {func(since time.Duration) error { return when(since < time.Minute, errors.New("starting")) }, time.Minute, ""},
		"never":            {func(time.Duration) error { return errors.New("starting") }, readyLimit, "not after 3m0s: starting"},
		"refused at first": {func(since time.Duration) error { return when(since < time.Second, forbidden) }, time.Second, ""},
		"refused":          {func(time.Duration) error { return forbidden }, refusalLimit + time.Second, "not yours"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				err := until(t.Context(), func(context.Context) error { return c.answer(time.Since(began)) })
				if c.says == "" {
					require.NoError(t, err)
				} else {
					require.ErrorContains(t, err, c.says)
				}
				assert.LessOrEqual(t, time.Since(began), c.within)
			})
		})
	}
}

func when(holds bool, err error) error {
	if holds {
		return err
	}
	return nil
}

func TestUntilEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	err := until(ctx, func(context.Context) error { cancel(); return errors.New("starting") })
	require.ErrorIs(t, err, context.Canceled)
}
