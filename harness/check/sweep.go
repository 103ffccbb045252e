package check

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"rolecall/harness/next"
)

// gone bounds the wait until what Sweep deletes is gone.
const gone = 10 * time.Second

// Sweep deletes the objects of the course's kinds that runs created: all runs,
// or this one alone where others use the cluster. It returns when they are
// gone. Pods go without grace: nothing in them is worth waiting for. Programs that
// go on are killed first.
func (e *Env) Sweep(ctx context.Context) error {
	e.killAll()
	e.mu.Lock()
	e.ahead = nil
	e.mu.Unlock()
	return e.SweepOthers(ctx)
}

// SweepOthers is Sweep, but for the callers that wait for the next Setup.
func (e *Env) SweepOthers(ctx context.Context) error {
	match := metav1.ListOptions{LabelSelector: RunLabel}
	if e.Shared {
		match.LabelSelector += "=" + e.Run
	}
	if e.Authenticator != nil {
		if err := e.Authenticator.RestoreAuthentication(ctx); err != nil {
			return err
		}
	}
	kinds, err := e.swept(ctx)
	if err != nil {
		return err
	}
	kinds, left, err := e.sweep(ctx, kinds, match)
	if err == nil && len(left) > 0 {
		_, err = Eventually(ctx, gone, 50*time.Millisecond, func(ctx context.Context) (bool, error) {
			var err error
			kinds, left, err = e.sweep(ctx, kinds, match)
			return len(left) == 0, err
		})
	}
	if err != nil {
		return next.Errorf("make status", "deleting what the lab created: %w", err)
	}
	if len(left) > 0 {
		return next.Errorf("make reset", "deleting what the lab created: still there after %s: %s", gone, names(left))
	}
	return nil
}

// swept are the kinds of which a run may have created objects.
func (e *Env) swept(ctx context.Context) ([]*meta.RESTMapping, error) {
	if err := e.discover(ctx); err != nil {
		return nil, err
	}
	var kinds []*meta.RESTMapping
	for _, kind := range e.Kinds {
		mapping, err := e.mapping(ctx, kind)
		if e.Shared && apierrors.IsNotFound(err) {
			continue // a kind that only clusters of ours have
		}
		if err != nil {
			return nil, err
		}
		if !e.Shared || namespaced(mapping) { // elsewhere there is none of ours
			kinds = append(kinds, mapping)
		}
	}
	return kinds, nil
}

// sweep deletes what matches, of the course's namespaces or of none. What has
// no finalizers is gone when the API server has answered. Other objects lose
// their finalizers, since nothing that those wait for matters; it returns them
// and their kinds.
func (e *Env) sweep(ctx context.Context, kinds []*meta.RESTMapping, match metav1.ListOptions) (again []*meta.RESTMapping, held []unstructured.Unstructured, err error) {
	var mu sync.Mutex
	waiting := e.waiting()
	group, ctx := errgroup.WithContext(ctx)
	for _, kind := range kinds {
		group.Go(func() error {
			list, err := e.Dynamic.Resource(kind.Resource).List(ctx, match) // one request for all namespaces
			if err != nil {
				return err
			}
			list.Items = slices.DeleteFunc(list.Items, func(o unstructured.Unstructured) bool {
				return namespaced(kind) && !slices.Contains(e.Namespaces.Names(), o.GetNamespace()) || waiting[o.GetUID()]
			})
			for _, object := range list.Items {
				e.note(&e.deleted, kind.Resource.Resource, &object)
				group.Go(func() error { return remove(ctx, e.resource(kind, object.GetNamespace()), object) })
			}
			if some := slices.DeleteFunc(list.Items, func(o unstructured.Unstructured) bool { return len(o.GetFinalizers()) == 0 }); len(some) > 0 {
				mu.Lock()
				defer mu.Unlock()
				again, held = append(again, kind), append(held, some...)
			}
			return nil
		})
	}
	return again, held, group.Wait()
}

func remove(ctx context.Context, resource dynamic.ResourceInterface, object unstructured.Unstructured) error {
	err := resource.Delete(ctx, object.GetName(), metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))})
	if err == nil && len(object.GetFinalizers()) > 0 {
		_, err = resource.Patch(ctx, object.GetName(), types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
	}
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// names are objects for a message.
func names(objects []unstructured.Unstructured) string {
	var words []string
	for _, o := range objects {
		word := fmt.Sprintf("%s %s", o.GetKind(), o.GetName())
		if o.GetNamespace() != "" {
			word += " in " + o.GetNamespace()
		}
		words = append(words, word)
	}
	slices.Sort(words)
	return Printable(strings.Join(words, ", "), 500)
}
