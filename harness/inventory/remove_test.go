package inventory

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/metadata/fake"
	clienttesting "k8s.io/client-go/testing"

	"rolecall/harness/next"
)

// server is an API server that knows a few kinds, and keeps what has finalizers.
type server struct {
	*fake.FakeMetadataClient
	broken error // of an API that somebody added
}

func (s *server) ServerPreferredResources() ([]*metav1.APIResourceList, error) {
	verbs := metav1.Verbs{"list", "delete"}
	return []*metav1.APIResourceList{{GroupVersion: "v1", APIResources: []metav1.APIResource{
		{Name: "pods", Verbs: verbs, Namespaced: true}, {Name: "configmaps", Verbs: verbs, Namespaced: true},
		{Name: "events", Verbs: verbs, Namespaced: true}, {Name: "tokenreviews", Verbs: metav1.Verbs{"create"}},
	}}}, s.broken
}

func pod(name string, finalizers ...string) *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID("uid-" + name), Finalizers: finalizers},
	}
}

func serve(t *testing.T, objects ...runtime.Object) *server {
	scheme := fake.NewTestScheme()
	require.NoError(t, metav1.AddMetaToScheme(scheme))
	s := &server{FakeMetadataClient: fake.NewSimpleMetadataClient(scheme, objects...)}
	pods := schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	find := func(name string) (*metav1.PartialObjectMetadata, error) {
		found, err := s.Tracker().Get(pods, "default", name)
		if err != nil {
			return nil, err
		}
		return found.(*metav1.PartialObjectMetadata), nil
	}
	s.PrependReactor("delete", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
		del := action.(clienttesting.DeleteAction)
		found, err := find(del.GetName())
		if err != nil {
			return true, nil, err
		}
		if *del.GetDeleteOptions().Preconditions.UID != found.UID {
			return true, nil, apierrors.NewConflict(pods.GroupResource(), found.Name, errors.New("another UID"))
		}
		if len(found.Finalizers) == 0 {
			return false, nil, nil // it goes
		}
		found = found.DeepCopy()
		found.DeletionTimestamp = new(metav1.Now())
		return true, nil, s.Tracker().Update(pods, found, "default")
	})
	s.PrependReactor("patch", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
		patch := action.(clienttesting.PatchAction)
		found, err := find(patch.GetName())
		if err != nil {
			return true, nil, err
		}
		assert.JSONEq(t, `{"metadata":{"uid":"`+string(found.UID)+`","finalizers":null}}`, string(patch.GetPatch()))
		assert.NotNil(t, found.DeletionTimestamp, "only what was deleted loses its finalizers")
		return true, found, s.Tracker().Delete(pods, "default", patch.GetName())
	})
	return s
}

// remove removes what is extra and returns what was told and what is left.
func (s *server) remove(t *testing.T, limit time.Duration, baseline ...Object) (told, left []string, err error) {
	c := client{s, s}
	err = c.removeExtra(t.Context(), baseline, limit, func(o Object) { told = append(told, o.Name) })
	now, _ := c.take(t.Context())
	for _, o := range now.Sorted() {
		left = append(left, o.Name)
	}
	return told, left, err
}

func TestRemoveExtraTakesOffFinalizers(t *testing.T) {
	s := serve(t, pod("kept"), pod("plain"), pod("stuck", "example.org/never", "foregroundDeletion"))
	told, left, err := s.remove(t, time.Minute, object("pods", "default", "kept", ""))
	require.NoError(t, err)
	assert.Equal(t, []string{"plain", "stuck"}, told)
	assert.Equal(t, []string{"kept"}, left)
}

// TestRemoveExtraDeletesWhatWouldBeCollected has owners that do not exist, as
// somebody may write them by hand.
func TestRemoveExtraDeletesWhatWouldBeCollected(t *testing.T) {
	owned := pod("owned")
	owned.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "nowhere", UID: "none", BlockOwnerDeletion: new(true)}}
	_, left, err := serve(t, owned).remove(t, time.Minute)
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestRemoveExtraFinishesADeletion(t *testing.T) {
	ends := pod("ends", "example.org/never")
	ends.DeletionTimestamp = new(metav1.Now())
	_, left, err := serve(t, ends).remove(t, time.Minute, object("pods", "default", "ends", ""))
	require.NoError(t, err, "it was there when the cluster was new, but is going")
	assert.Empty(t, left)
}

func TestRemoveExtraNamesWhatItMayNotDelete(t *testing.T) {
	s := serve(t, pod("a"), pod("guarded"))
	s.PrependReactor("delete", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
		if action.(clienttesting.DeleteAction).GetName() != "guarded" {
			return false, nil, nil
		}
		return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "guarded", errors.New("not yours"))
	})
	_, left, err := s.remove(t, time.Second)
	require.ErrorContains(t, err, "deleting pods guarded in default: ")
	require.ErrorContains(t, err, "not yours")
	assert.True(t, apierrors.IsForbidden(err))
	assert.Equal(t, "kubectl delete pods guarded --namespace default", next.Of(err))
	assert.Equal(t, []string{"guarded"}, left)
}

func TestRemoveExtraNamesWhatComesBack(t *testing.T) {
	s := serve(t, pod("again"))
	s.PrependReactor("delete", "pods", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, nil })
	told, _, err := s.remove(t, time.Second)
	require.ErrorContains(t, err, "deleting pods again in default: it is still there, or there again, after 1s")
	assert.Equal(t, "kubectl delete pods again --namespace default", next.Of(err))
	assert.Equal(t, []string{"again"}, told, "it is told once")
}

// TestRemoveExtraGetsPastABrokenAPI has one that somebody added and that goes
// when its own object is deleted.
func TestRemoveExtraGetsPastABrokenAPI(t *testing.T) {
	s := serve(t, pod("apiservice"))
	s.broken = &discovery.ErrGroupDiscoveryFailed{Groups: map[schema.GroupVersion]error{{Group: "example.org"}: errors.New("no endpoints")}}
	s.PrependReactor("delete", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		s.broken = nil
		return false, nil, nil
	})
	_, left, err := s.remove(t, time.Minute)
	require.NoError(t, err)
	assert.Empty(t, left)

	s.broken = &discovery.ErrGroupDiscoveryFailed{}
	_, _, err = s.remove(t, time.Second)
	require.ErrorContains(t, err, "asking for the cluster's resources", "what cannot be looked at is not as new")
}

func TestRemoveExtraStopsWhenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := serve(t, pod("again"))
	s.PrependReactor("delete", "pods", func(clienttesting.Action) (bool, runtime.Object, error) { cancel(); return true, nil, nil })
	err := client{s, s}.removeExtra(ctx, nil, time.Minute, nil)
	require.ErrorIs(t, err, context.Canceled)
	assert.False(t, strings.Contains(err.Error(), "still there"))
}

// TestEventsAreLeftAlone has none asked for: a busy cluster has thousands.
func TestEventsAreLeftAlone(t *testing.T) {
	event := pod("started")
	event.Kind = "Event"
	s := serve(t, event, pod("plain"))
	now, err := client{s, s}.take(t.Context())
	require.NoError(t, err)
	assert.Len(t, now, 1, "%v", now.Sorted())
	for _, a := range s.Actions() {
		assert.NotEqual(t, "events", a.GetResource().Resource)
	}
}
