package check

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
)

// PodState describes a pod's state in one line, for a message.
func PodState(pod *corev1.Pod) string {
	if pod == nil {
		return "no such pod"
	}
	state := "phase " + string(pod.Status.Phase)
	if words := schedulerWords(pod); words != "" {
		state += ", not scheduled: " + words
	}
	for _, s := range containerStatuses(pod) {
		switch {
		case s.State.Waiting != nil && s.State.Waiting.Reason != "":
			state += fmt.Sprintf(", container %s waiting: %s", s.Name, s.State.Waiting.Reason)
			if s.State.Waiting.Reason == nodeFailure {
				state += " (" + s.State.Waiting.Message + ")"
			}
		case s.State.Running != nil && !s.Ready && pod.Status.Phase == corev1.PodRunning:
			state += fmt.Sprintf(", container %s running and not ready", s.Name)
		case s.State.Terminated != nil:
			state += ", " + endWords(s)
		}
		if s.RestartCount > 0 {
			state += fmt.Sprintf(", container %s restarted", s.Name)
		}
	}
	return Printable(state, 500)
}

// Ended is the first of a pod's containers, init containers aside, that was
// running and has ended, and how it ended; "" where there is none.
func Ended(pod *corev1.Pod) (index int, how string) {
	for i, container := range pod.Spec.Containers {
		for _, s := range pod.Status.ContainerStatuses {
			if end := lastEnd(s); s.Name == container.Name && end != nil && end.Reason != NotStarted {
				return i, endWords(s)
			}
		}
	}
	return 0, ""
}

// lastEnd is how a container last ended, or nil where it never did.
func lastEnd(s corev1.ContainerStatus) *corev1.ContainerStateTerminated {
	return cmp.Or(s.State.Terminated, s.LastTerminationState.Terminated)
}

// endWords say how a container that ended did so.
func endWords(s corev1.ContainerStatus) string {
	end := lastEnd(s)
	return fmt.Sprintf("container %s ended with exit status %d (%s)", s.Name, end.ExitCode, end.Reason)
}

// schedulerWords are the scheduler's on a pod without a node.
func schedulerWords(pod *corev1.Pod) string {
	c := condition(pod, corev1.PodScheduled)
	if c == nil || c.Status != corev1.ConditionFalse {
		if pod.Spec.NodeName == "" && waits(pod) {
			return "there is no scheduler called " + pod.Spec.SchedulerName
		}
		return ""
	}
	words, _, _ := strings.Cut(c.Message, " preemption:") // which says the same again
	words, _, _ = strings.Cut(words, " no new claims to deallocate")
	words = strings.TrimSuffix(strings.TrimSpace(words), ". not found") // its end, said again
	return strings.TrimSuffix(words, ",")
}

// podWords are the scheduler's and the node's own words on a pod that does not
// start, each once.
func (e *Env) podWords(ctx context.Context, pod *corev1.Pod) []string {
	var words []string
	if said := schedulerWords(pod); said != "" {
		words = append(words, said)
	}
	words = append(words, pod.Status.Message)
	for _, s := range containerStatuses(pod) {
		for _, terminated := range []*corev1.ContainerStateTerminated{s.State.Terminated, s.LastTerminationState.Terminated} {
			if terminated != nil {
				words = append(words, terminated.Message)
			}
		}
		if s.State.Waiting != nil {
			words = append(words, s.State.Waiting.Message)
		}
	}
	if pod.Spec.NodeName != "" {
		words = append(words, e.warnings(ctx, pod)...)
	}
	var shown []string
	for _, word := range unique(words) {
		if word != "" {
			shown = append(shown, Printable(word, 300))
		}
	}
	return shown
}

// warnings are the node's warnings about a sandbox that it cannot make, and
// about volumes that it cannot mount.
func (e *Env) warnings(ctx context.Context, pod *corev1.Pod) []string {
	events, err := e.Client.CoreV1().Events(pod.Namespace).List(ctx, metav1.ListOptions{
		FieldSelector: fields.OneTermEqualSelector("involvedObject.uid", string(pod.UID)).String(),
	})
	if err != nil {
		return nil // they only explain
	}
	var words []string
	for _, event := range events.Items {
		if event.InvolvedObject.UID == pod.UID && (event.Reason == "FailedMount" || event.Reason == "FailedCreatePodSandBox") {
			words = append(words, event.Message)
		}
	}
	return words
}

// podLog is the end of what a pod's first container printed.
func (e *Env) podLog(ctx context.Context, pod *corev1.Pod) string {
	if len(pod.Spec.Containers) == 0 {
		return ""
	}
	log, err := e.Client.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{
		Container: pod.Spec.Containers[0].Name, TailLines: new(int64(10)), LimitBytes: new(int64(4096)),
	}).DoRaw(ctx)
	if err != nil {
		return ""
	}
	return Printable(strings.TrimSpace(string(log)), 1000)
}
