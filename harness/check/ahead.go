package check

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"rolecall/harness/next"
)

// AheadLabel marks callers that wait for the next check. No learner made them:
// whoever shows the cluster to a learner calls DismissAhead before.
const AheadLabel = "rolecall.local/ahead"

// beginnings are what callers were started with.
type beginnings struct {
	namespace, account string
	credential         Credential
}

// Ahead starts callers like those that the last Setup started, so that the next
// one finds them running. They are gone after the next lab, whether or not it
// needed them.
func (e *Env) Ahead(ctx context.Context) error {
	e.mu.Lock()
	started := e.started
	e.mu.Unlock()
	group, ctx := errgroup.WithContext(ctx)
	for _, how := range started {
		group.Go(func() error {
			c, err := e.startCaller(ctx, how, "", true)
			if err != nil {
				return err
			}
			e.mu.Lock()
			defer e.mu.Unlock()
			if e.ahead == nil {
				e.ahead = map[beginnings][]*Caller{}
			}
			e.ahead[how] = append(e.ahead[how], c)
			return nil
		})
	}
	return group.Wait()
}

// takeAhead returns a caller that waits and is still there, or nil.
func (e *Env) takeAhead(ctx context.Context, how beginnings) *Caller {
	for {
		c := e.nextAhead(how)
		if c == nil {
			return nil
		}
		patch := fmt.Appendf(nil, `{"metadata":{"uid":%q,"labels":{%q:null}}}`, c.UID, AheadLabel)
		pod, err := e.Client.CoreV1().Pods(c.Namespace).Patch(ctx, c.Name, types.MergePatchType, patch, metav1.PatchOptions{})
		if err == nil && pod.DeletionTimestamp == nil && (pod.Status.Phase == corev1.PodRunning || pod.Status.Phase == corev1.PodPending) {
			return c
		}
	}
}

// nextAhead takes one from those that wait, or returns nil.
func (e *Env) nextAhead(how beginnings) *Caller {
	e.mu.Lock()
	defer e.mu.Unlock()
	waiting := e.ahead[how]
	if len(waiting) == 0 {
		return nil
	}
	e.ahead[how] = waiting[1:]
	return waiting[0]
}

// waiting are the UIDs of the callers that wait.
func (e *Env) waiting() map[types.UID]bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := map[types.UID]bool{}
	for _, callers := range e.ahead {
		for _, c := range callers {
			all[types.UID(c.UID)] = true
		}
	}
	return all
}

// dismissals bounds how often DismissAhead looks again, where a kubelet changes
// a pod in between.
const dismissals = 5

// DismissAhead deletes the callers that wait for a next check, whoever started
// them, and none that a check uses.
func DismissAhead(ctx context.Context, client kubernetes.Interface) error {
	var changed error
	for range dismissals {
		list, err := client.CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{LabelSelector: AheadLabel})
		if err != nil {
			return next.Errorf("make status", "looking for pods that wait for a check: %w", err)
		}
		changed = nil
		for _, pod := range list.Items {
			err := client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{
				GracePeriodSeconds: new(int64(0)), Preconditions: &metav1.Preconditions{UID: &pod.UID, ResourceVersion: &pod.ResourceVersion},
			})
			switch {
			case apierrors.IsConflict(err):
				changed = err
			case err != nil && !apierrors.IsNotFound(err):
				return next.Errorf("make status", "deleting a pod that waits for a check: %w", err)
			}
		}
		if changed == nil {
			return nil
		}
	}
	return next.Errorf("try again", "deleting pods that wait for a check: %w", changed)
}
