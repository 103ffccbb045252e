package check

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"rolecall/harness/next"
)

// Reasons by which a node says that it is not the pod's fault. The first two
// are the embedded cluster's own, the last is the kubelet's.
const (
	notSupported = "NotSupported"           // it has not what an ordinary node has
	nodeFailure  = "NodeFailure"            // it lacks something, such as disk space, and goes on trying
	lostStatus   = "ContainerStatusUnknown" // the pod's sandbox ended under the container
)

// nodesFault is an error of ours where a node says that it, and not the pod,
// is the reason that the pod does not run.
func nodesFault(pod *corev1.Pod) error {
	for _, s := range containerStatuses(pod) {
		w, end := s.State.Waiting, lastEnd(s)
		switch {
		case w != nil && w.Reason == notSupported:
			return next.Errorf("set CLUSTER=kind", "running pod %s: %s", pod.Name, Printable(w.Message, 300))
		case w != nil && w.Reason == nodeFailure:
			return next.Errorf("see to it that the machine has what the message names, then run the same again", "running pod %s: its node cannot: %s", pod.Name, Printable(w.Message, 300))
		case end != nil && end.Reason == lostStatus:
			return next.Errorf("run the same again; if that does not help, make down", "running pod %s: the node lost the pod's sandbox, and container %s with it", pod.Name, s.Name)
		}
	}
	return nil
}

// unsupported reports whether a node never runs a pod that an ordinary one does.
func unsupported(pod *corev1.Pod) bool {
	return slices.ContainsFunc(containerStatuses(pod), func(s corev1.ContainerStatus) bool {
		return s.State.Waiting != nil && s.State.Waiting.Reason == notSupported
	})
}
