package check

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
)

// podBecomes watches one pod until it is as wanted or within has passed; then
// it returns false. A pod that is deleted meanwhile is an error.
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
	_, err := watchtools.UntilWithSync(bounded, source, &corev1.Pod{}, nil, func(event watch.Event) (bool, error) {
		if event.Type == watch.Deleted {
			return false, fmt.Errorf("the pod was deleted by somebody else")
		}
		pod, ok := event.Object.(*corev1.Pod)
		return ok && wanted(pod), nil
	})
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		return false, nil
	}
	return err == nil, err
}

func isReady(pod *corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// PodState says in one line where a pod stands, for a message.
func PodState(pod *corev1.Pod) string {
	if pod == nil {
		return "no such pod"
	}
	state := "phase " + string(pod.Status.Phase)
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			state += ", not scheduled: " + c.Message
		}
	}
	for _, s := range append(append([]corev1.ContainerStatus{}, pod.Status.InitContainerStatuses...), pod.Status.ContainerStatuses...) {
		switch {
		case s.State.Waiting != nil && s.State.Waiting.Reason != "":
			state += fmt.Sprintf(", container %s waiting: %s", s.Name, s.State.Waiting.Reason)
		case s.State.Terminated != nil:
			state += fmt.Sprintf(", container %s ended with exit status %d (%s)", s.Name, s.State.Terminated.ExitCode, s.State.Terminated.Reason)
		}
		if s.RestartCount > 0 {
			state += fmt.Sprintf(", container %s restarted", s.Name)
		}
	}
	return Printable(state, 500)
}

// PodMessages are the node's own words on containers that do not start.
func PodMessages(pod *corev1.Pod) (messages []string) {
	if pod == nil {
		return nil
	}
	for _, s := range append(append([]corev1.ContainerStatus{}, pod.Status.InitContainerStatuses...), pod.Status.ContainerStatuses...) {
		for _, terminated := range []*corev1.ContainerStateTerminated{s.State.Terminated, s.LastTerminationState.Terminated} {
			if terminated != nil && terminated.Message != "" {
				messages = append(messages, Printable(terminated.Message, 300))
			}
		}
		if s.State.Waiting != nil && s.State.Waiting.Message != "" {
			messages = append(messages, Printable(s.State.Waiting.Message, 300))
		}
	}
	return messages
}

// hopeless names the reason for which a pod will not become Ready, if there is
// one that waiting cannot mend.
func hopeless(pod *corev1.Pod) string {
	if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		return "it ended"
	}
	for _, s := range append(append([]corev1.ContainerStatus{}, pod.Status.InitContainerStatuses...), pod.Status.ContainerStatuses...) {
		if s.State.Waiting == nil {
			continue
		}
		switch reason := s.State.Waiting.Reason; reason {
		case "CrashLoopBackOff", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "CreateContainerConfigError", "RunContainerError", "StartError":
			return reason
		}
	}
	return ""
}

// Settled is where a learner's pod stands after its time to become Ready.
type Settled struct {
	Pod      *corev1.Pod
	Ready    bool
	Hopeless string // why it will never be Ready, where that is certain
}

// Settle waits until the pod is Ready, hopeless, or within has passed.
func (e *Env) Settle(ctx context.Context, namespace, name string, within time.Duration) (Settled, error) {
	var s Settled
	_, err := e.podBecomes(ctx, namespace, name, within, func(pod *corev1.Pod) bool {
		s.Pod, s.Ready, s.Hopeless = pod, isReady(pod), hopeless(pod)
		return s.Ready || s.Hopeless != ""
	})
	if err != nil {
		return s, fmt.Errorf("waiting for pod %s: %w; type make status", name, err)
	}
	return s, nil
}

// Falters watches a Ready pod for a while. It tells whether the pod lost its
// readiness or restarted, and where it stands.
func (e *Env) Falters(ctx context.Context, namespace, name string, within time.Duration) (last *corev1.Pod, faltered bool, err error) {
	faltered, err = e.podBecomes(ctx, namespace, name, within, func(pod *corev1.Pod) bool {
		last = pod
		restarts := int32(0)
		for _, s := range pod.Status.ContainerStatuses {
			restarts += s.RestartCount
		}
		return !isReady(pod) || restarts > 0
	})
	if err != nil {
		return nil, false, fmt.Errorf("watching pod %s: %w; type make status", name, err)
	}
	return last, faltered, nil
}

// Age is how long a container's first process has been running, by the
// container's own account. Where its image has no cat, it is taken for old.
func (e *Env) Age(ctx context.Context, namespace, name, container string) (age time.Duration, running bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, ProgramTime)
	defer cancel()
	out, _, status, err := e.Exec(ctx, namespace, name, container, nil, "cat", "/proc/uptime", "/proc/1/stat")
	switch {
	case err != nil && strings.Contains(err.Error(), "container not found"):
		return 0, false, nil
	case err != nil && ctx.Err() != nil:
		return 0, false, fmt.Errorf("asking pod %s for its age: %w; type make status", name, err)
	case err != nil || status != 0:
		return time.Hour, true, nil // whether the image has its tools is another check's matter
	}
	age, err = ageOf(string(out))
	return age, true, err
}

// ageOf reads /proc/uptime (seconds since the boot) and the 22nd field of
// /proc/1/stat (hundredths of a second from the boot to its start; proc(5)).
func ageOf(proc string) (time.Duration, error) {
	first, stat, _ := strings.Cut(proc, "\n")
	var uptime, started float64
	_, err := fmt.Sscan(first, &uptime)
	fields := strings.Fields(stat[strings.LastIndex(stat, ")")+1:]) // the name between brackets may hold spaces; state is the 3rd field
	if err == nil && len(fields) > 19 {
		_, err = fmt.Sscan(fields[19], &started)
	}
	if err != nil || started == 0 {
		return 0, fmt.Errorf("reading the age of a process from %q", Printable(proc, 300))
	}
	return time.Duration((uptime - started/100) * float64(time.Second)), nil
}

// CanRunPods starts a pod that is known to be good. It tells a pod that is
// wrong from a cluster that runs none: the latter is our error.
func (e *Env) CanRunPods(ctx context.Context) error {
	control, err := e.StartCaller(ctx, e.Namespaces.Home, Genuine)
	if err != nil {
		return err
	}
	return e.await(ctx, control, Genuine)
}

// PodLog is the end of what a container printed, for a message.
func (e *Env) PodLog(ctx context.Context, namespace, name, container string) string {
	log, err := e.Client.CoreV1().Pods(namespace).GetLogs(name, &corev1.PodLogOptions{
		Container: container, TailLines: new(int64(10)), LimitBytes: new(int64(4096)),
	}).DoRaw(ctx)
	if err != nil {
		return ""
	}
	return Printable(strings.TrimSpace(string(log)), 1000)
}
