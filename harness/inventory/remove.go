package inventory

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"

	"rolecall/harness/next"
)

// goneLimit bounds the wait for what was deleted to be gone. A namespace that
// held something takes some seconds.
const goneLimit = 30 * time.Second

// RemoveExtra deletes the objects that a cluster did not have when it was new,
// tells each once before, and returns when they are gone. Nobody is waited for
// who would first have to agree: finalizers are taken off. An error says which
// object is still there.
func RemoveExtra(ctx context.Context, config *rest.Config, baseline []Object, tell func(Object)) error {
	c, err := connect(config)
	if err != nil {
		return err
	}
	return c.removeExtra(ctx, baseline, goneLimit, tell)
}

func (c client) removeExtra(ctx context.Context, baseline []Object, limit time.Duration, tell func(Object)) error {
	told := map[Object]bool{}
	var extra []Object
	var refused map[Object]error
	var incomplete error
	err := wait.PollUntilContextTimeout(ctx, 200*time.Millisecond, limit, true, func(ctx context.Context) (bool, error) {
		var now Inventory
		if now, incomplete = c.take(ctx); now == nil {
			return false, incomplete
		}
		extra, refused = Extra(baseline, now), map[Object]error{}
		slices.SortStableFunc(extra, definitionsLast)
		for _, o := range extra {
			if !told[anonymous(o)] && tell != nil {
				tell(o)
			}
			told[anonymous(o)] = true
			if err := c.remove(ctx, o, now[o]); err != nil {
				refused[o] = err
			}
		}
		return len(extra) == 0 && incomplete == nil, nil
	})
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("deleting what was added to the cluster: %w", context.Cause(ctx))
	case !wait.Interrupted(err):
		return err
	case len(extra) == 0:
		return incomplete
	}
	left := extra[0] // of several, one is enough to go on with
	for _, o := range extra {
		if refused[o] != nil {
			left = o
			break
		}
	}
	if reason := refused[left]; reason != nil {
		return next.Errorf(left.Removal(), "deleting %s: %w", left, reason)
	}
	return next.Errorf(left.Removal(), "deleting %s: it is still there, or there again, after %s", left, limit)
}

// definitionsLast keeps the definition of a kind until its objects are gone:
// without it they could not be deleted.
func definitionsLast(a, b Object) int {
	rank := func(o Object) int {
		if o.Resource.Resource == "customresourcedefinitions" {
			return 1
		}
		return 0
	}
	return rank(a) - rank(b)
}

// remove deletes an object at once or, where that was done and it is still
// there, takes off what keeps it. One of the same name that came later is left
// alone.
func (c client) remove(ctx context.Context, o Object, state State) error {
	objects := c.objects.Resource(o.Resource).Namespace(o.Namespace)
	uid := types.UID(o.UID)
	if !state.Deleting {
		return unlessGone(objects.Delete(ctx, o.Name, metav1.DeleteOptions{
			GracePeriodSeconds: new(int64(0)),
			Preconditions:      &metav1.Preconditions{UID: &uid},
			PropagationPolicy:  new(metav1.DeletePropagationBackground),
		}))
	}
	if len(state.Finalizers) == 0 {
		return nil
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": uid, "finalizers": nil}})
	if err != nil {
		return err
	}
	_, err = objects.Patch(ctx, o.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "rolecall"})
	return unlessGone(err)
}

// unlessGone drops the errors of what is not there any more, or is another.
func unlessGone(err error) error {
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return err
}
