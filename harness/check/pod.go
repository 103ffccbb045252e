package check

import (
	"context"
	"errors"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"

	"rolecall/harness/next"
)

// schedules is how long a pod may be without a node before that counts: a node
// can be busy or not ready for a moment.
const schedules = 3 * time.Second

// Reasons for which a pod is not Ready. The first two are words of ours, the
// others are Kubernetes' own, of which there are more.
const (
	Deleted       = "Deleted"           // while it was looked at
	Over          = "Over"              // it has succeeded or failed
	Unschedulable = "Unschedulable"     // no node takes it
	CrashLoop     = "CrashLoopBackOff"  // a container ends again and again
	NotStarted    = "StartError"        // a container "ended" without having run
	NotRun        = "RunContainerError" // a container cannot be made
	NotConfigured = "CreateContainerConfigError"
)

// Start is how the start of a pod of the learner's went.
type Start struct {
	Pod   *corev1.Pod
	Ready bool
	Never string   // the reason why it never becomes Ready, where that is certain
	Words []string // what the scheduler and the node say of it
	Log   string   // the end of what its first container printed
}

// CreatePod stores a pod of the learner's. The error may be a *Refusal.
func (e *Env) CreatePod(ctx context.Context, object *unstructured.Unstructured) (*corev1.Pod, error) {
	created, err := e.Create(ctx, object)
	if err != nil {
		return nil, err
	}
	pod := &corev1.Pod{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(created.Object, pod); err != nil {
		return nil, next.Errorf("make status", "reading the pod that was created: %w", err)
	}
	return pod, nil
}

// AwaitReady waits until a pod of the learner's is Ready, or certain never to
// be, or within has passed. Before it takes a pod for wrong that the cluster
// itself might keep from starting, it starts one that is known to be good: if
// that fails too, the error is ours.
func (e *Env) AwaitReady(ctx context.Context, created *corev1.Pod, within time.Duration) (Start, error) {
	start, namespace, name := Start{Pod: created}, created.Namespace, created.Name
	failed := func(err error) (Start, error) {
		return start, next.Errorf("make status", "waiting for pod %s: %w", name, err)
	}
	for deadline := time.Now().Add(within); ; {
		_, err := e.podBecomes(ctx, namespace, name, time.Until(deadline), func(pod *corev1.Pod) bool {
			start = Start{Pod: pod, Ready: isReady(pod), Never: never(pod)}
			return start.Ready || start.Never != "" || waits(pod) || unsupported(pod)
		})
		switch {
		case errors.Is(err, errDeleted):
			start.Never = Deleted
		case err != nil:
			return failed(err)
		case start.Ready:
			return start, nil
		case start.Never == "" && waits(start.Pod):
			scheduled, err := e.podBecomes(ctx, namespace, name, schedules, func(pod *corev1.Pod) bool {
				start.Pod = pod
				return !waits(pod)
			})
			if err != nil && !errors.Is(err, errDeleted) {
				return failed(err)
			}
			if scheduled || err != nil {
				continue
			}
			if err := e.CanRunPods(ctx, ""); err != nil {
				return failed(err)
			}
			pod, err := e.Client.CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{})
			switch {
			case apierrors.IsNotFound(err):
				continue
			case err != nil:
				return failed(err)
			case !waits(pod):
				continue // it was the cluster, for a moment
			}
			start.Pod, start.Never = pod, Unschedulable
			start.Words = e.podWords(ctx, pod)
			return start, nil
		}
		if start.Never == "" || start.Never == Over || start.Never == CrashLoop {
			if err := nodesFault(start.Pod); err != nil {
				return start, err
			}
		}
		start.Words = e.podWords(ctx, start.Pod)
		start.Log = e.podLog(ctx, start.Pod)
		if start.Never == "" || start.Never == Deleted || e.lacksLabImage(start.Pod) {
			if err := e.CanRunPods(ctx, start.Pod.Spec.NodeName); err != nil {
				return failed(err)
			}
		}
		return start, nil
	}
}

// StaysReady watches a Ready pod for a while. It is no longer Ready where a
// container of its was started again.
func (e *Env) StaysReady(ctx context.Context, pod *corev1.Pod, within time.Duration) (Start, error) {
	last := Start{Pod: pod, Ready: true}
	_, err := e.podBecomes(ctx, pod.Namespace, pod.Name, within, func(pod *corev1.Pod) bool {
		restarted := slices.ContainsFunc(pod.Status.ContainerStatuses, func(s corev1.ContainerStatus) bool { return s.RestartCount > 0 })
		last = Start{Pod: pod, Ready: isReady(pod) && !restarted}
		return !last.Ready
	})
	switch {
	case errors.Is(err, errDeleted):
		last.Ready, last.Never = false, Deleted
		return last, e.CanRunPods(ctx, last.Pod.Spec.NodeName)
	case err != nil:
		return last, next.Errorf("make status", "watching pod %s: %w", pod.Name, err)
	case last.Ready:
		return last, nil
	}
	return last, nodesFault(last.Pod)
}

// CanRunPods returns an error of ours if the cluster does not run a pod that is
// known to be good.
func (e *Env) CanRunPods(ctx context.Context, node string) error {
	_, err := e.control(ctx, node)
	return err
}

// control starts a pod that is known to be good. It tells what is wrong with a
// learner's pod from a cluster that runs none, which is our error. On a given
// node it needs neither the scheduler nor any room that the learner's pod might
// have claimed.
func (e *Env) control(ctx context.Context, node string) (*Caller, error) {
	control, err := e.startCaller(ctx, beginnings{e.Namespaces.Home(), "default", Genuine}, node, false)
	if err == nil {
		err = e.await(ctx, control)
	}
	if err != nil {
		return nil, next.Errorf("make status", "telling a pod that does not work from a cluster that runs none: %w", err)
	}
	return control, nil
}

// errDeleted is why a pod is not waited for any longer.
var errDeleted = errors.New("the pod was deleted")

// podBecomes watches one pod and reports whether it was as wanted within the
// bound.
func (e *Env) podBecomes(ctx context.Context, namespace, name string, within time.Duration, wanted func(*corev1.Pod) bool) (bool, error) {
	bounded, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	pods := e.Client.CoreV1().Pods(namespace)
	only := fields.OneTermEqualSelector("metadata.name", name).String()
	source := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.FieldSelector = only
			return pods.List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.FieldSelector = only
			return pods.Watch(ctx, o)
		},
	}
	there := func(store cache.Store) (bool, error) {
		if len(store.List()) == 0 {
			return false, errDeleted
		}
		return false, nil
	}
	_, err := watchtools.UntilWithSync(bounded, cache.ToListWatcherWithWatchListSemantics(source, e.Client), &corev1.Pod{}, there, func(event watch.Event) (bool, error) {
		if event.Type == watch.Deleted {
			return false, errDeleted
		}
		pod, ok := event.Object.(*corev1.Pod)
		return ok && wanted(pod), nil
	})
	if err != nil && bounded.Err() != nil && ctx.Err() == nil && !errors.Is(err, errDeleted) {
		return false, nil
	}
	return err == nil, err
}

func isReady(pod *corev1.Pod) bool {
	c := condition(pod, corev1.PodReady)
	return c != nil && c.Status == corev1.ConditionTrue
}

// waits reports whether a pod is without a node because no node takes it, or
// because no scheduler has looked at it.
func waits(pod *corev1.Pod) bool {
	if pod.Spec.NodeName != "" {
		return false
	}
	c := condition(pod, corev1.PodScheduled)
	return c != nil && c.Status == corev1.ConditionFalse || c == nil && pod.Spec.SchedulerName != corev1.DefaultSchedulerName
}

func condition(pod *corev1.Pod, of corev1.PodConditionType) *corev1.PodCondition {
	for i := range pod.Status.Conditions {
		if pod.Status.Conditions[i].Type == of {
			return &pod.Status.Conditions[i]
		}
	}
	return nil
}

// never is the reason for which a pod will not become Ready, if there is one
// that waiting does not change.
func never(pod *corev1.Pod) string {
	if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		return Over
	}
	for _, s := range containerStatuses(pod) {
		if s.State.Terminated != nil && s.State.Terminated.Reason == NotStarted {
			return NotStarted
		}
		if s.State.Waiting == nil {
			continue
		}
		switch reason := s.State.Waiting.Reason; reason {
		case CrashLoop:
			if end := lastEnd(s); end != nil && end.Reason == NotStarted {
				return NotStarted
			}
			return reason
		case "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", NotConfigured, NotRun, NotStarted:
			return reason
		}
	}
	return ""
}

// lacksLabImage reports whether the node does not have the lab image, which a
// pod of the learner's rightly relies on.
func (e *Env) lacksLabImage(pod *corev1.Pod) bool {
	for _, s := range containerStatuses(pod) {
		if s.State.Waiting == nil || s.State.Waiting.Reason != "ImagePullBackOff" && s.State.Waiting.Reason != "ErrImageNeverPull" {
			continue
		}
		for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
			if c.Name == s.Name && c.Image == e.Image && c.ImagePullPolicy != corev1.PullAlways {
				return true
			}
		}
	}
	return false
}

func containerStatuses(pod *corev1.Pod) []corev1.ContainerStatus {
	return slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses)
}

// HasNode reports whether the cluster has a node of that name.
func (e *Env) HasNode(ctx context.Context, name string) (bool, error) {
	nodes, err := e.Client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return false, next.Errorf("make status", "asking for the cluster's nodes: %w", err)
	}
	return slices.ContainsFunc(nodes.Items, func(n corev1.Node) bool { return n.Name == name }), nil
}
