package node

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	podutil "k8s.io/kubernetes/pkg/api/v1/pod"
)

// containersReady is the condition that all containers are ready, with the
// kubelet's reasons (k8s.io/kubernetes/pkg/kubelet/status).
func (p *pod) containersReady(s *corev1.PodStatus) corev1.PodCondition {
	condition := corev1.PodCondition{Type: corev1.ContainersReady, Status: corev1.ConditionFalse}
	var unready []string
	for _, c := range p.containers {
		if (c.role == app || c.role == sidecar) && !c.isReady() {
			unready = append(unready, c.spec.Name)
		}
	}
	switch {
	case s.Phase == corev1.PodSucceeded:
		condition.Reason = "PodCompleted"
	case s.Phase == corev1.PodFailed:
		condition.Reason = "PodFailed"
	case len(unready) > 0:
		condition.Reason, condition.Message = "ContainersNotReady", fmt.Sprintf("containers with unready status: %s", unready)
	default:
		condition.Status = corev1.ConditionTrue
	}
	return condition
}

// gatesReady is the pod's own readiness where its containers are ready.
func (p *pod) gatesReady(conditions []corev1.PodCondition) corev1.PodCondition {
	ready := corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionTrue}
	var unready []string
	for _, gate := range p.api.Spec.ReadinessGates {
		_, condition := podutil.GetPodConditionFromList(conditions, gate.ConditionType)
		switch {
		case condition == nil:
			unready = append(unready, fmt.Sprintf("corresponding condition of pod readiness gate %q does not exist.", string(gate.ConditionType)))
		case condition.Status != corev1.ConditionTrue:
			unready = append(unready, fmt.Sprintf("the status of pod readiness gate %q is not \"True\", but %v", string(gate.ConditionType), condition.Status))
		}
	}
	if len(unready) > 0 {
		ready.Status, ready.Reason, ready.Message = corev1.ConditionFalse, "ReadinessGatesNotReady", strings.Join(unready, ", ")
	}
	return ready
}

// initialized is the condition that the init containers have done their work.
func (p *pod) initialized(s *corev1.PodStatus) corev1.PodCondition {
	condition := corev1.PodCondition{Type: corev1.PodInitialized, Status: corev1.ConditionTrue}
	var incomplete []string
	for _, c := range p.containers {
		if c.role == initial && !c.isReady() || c.role == sidecar && !c.once {
			incomplete = append(incomplete, c.spec.Name)
		}
	}
	switch {
	case s.Phase == corev1.PodSucceeded:
		condition.Reason = "PodCompleted"
	case len(incomplete) > 0:
		condition.Status, condition.Reason = corev1.ConditionFalse, "ContainersNotInitialized"
		condition.Message = fmt.Sprintf("containers with incomplete status: %s", incomplete)
	}
	return condition
}
