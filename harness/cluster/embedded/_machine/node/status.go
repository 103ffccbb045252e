package node

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	podutil "k8s.io/kubernetes/pkg/api/v1/pod"
	"k8s.io/kubernetes/pkg/apis/core/v1/helper/qos"
	"k8s.io/kubernetes/pkg/kubelet/status"
)

// runtimeName is the prefix of containers' identifiers.
const runtimeName = "sandbox"

// status is the pod's status as a kubelet would report it now.
func (p *pod) status() corev1.PodStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := corev1.PodStatus{
		ObservedGeneration: p.api.Generation,
		StartTime:          &p.arrived,
		HostIP:             hostAddress, HostIPs: []corev1.HostIP{{IP: hostAddress}},
		QOSClass: qos.ComputePodQOS(p.api),
		Phase:    p.phase(),
		// What others decided of the pod stays.
		NominatedNodeName: p.published.NominatedNodeName, ResourceClaimStatuses: p.published.ResourceClaimStatuses,
	}
	if p.address.IsValid() && (p.prepared || p.leaving) {
		s.PodIP = p.address.String()
		s.PodIPs = []corev1.PodIP{{IP: s.PodIP}}
	}
	if p.failure != nil && s.Phase == corev1.PodFailed {
		s.Reason, s.Message = p.failure.reason, p.failure.message
	}
	for _, c := range p.containers {
		switch c.role {
		case app:
			s.ContainerStatuses = append(s.ContainerStatuses, c.status())
		case ephemeral:
			s.EphemeralContainerStatuses = append(s.EphemeralContainerStatuses, c.status())
		default:
			s.InitContainerStatuses = append(s.InitContainerStatuses, c.status())
		}
	}
	s.Conditions = p.conditions(&s)
	return s
}

// status is one container's.
func (c *container) status() corev1.ContainerStatus {
	started := c.started && c.state.Running != nil
	s := corev1.ContainerStatus{
		Name: c.spec.Name, State: c.state, LastTerminationState: c.last,
		Ready: c.isReady(), Started: &started, RestartCount: c.restarts,
		Image: c.asked().Image, ContainerID: c.reference(),
	}
	if c.image != nil {
		s.Image, s.ImageID = c.image.ref, c.image.id
	}
	for _, m := range c.spec.VolumeMounts {
		shown := corev1.VolumeMountStatus{Name: m.Name, MountPath: m.MountPath, ReadOnly: m.ReadOnly}
		if m.ReadOnly {
			recursive := corev1.RecursiveReadOnlyDisabled
			if asked := m.RecursiveReadOnly; asked != nil && *asked != corev1.RecursiveReadOnlyDisabled {
				recursive = corev1.RecursiveReadOnlyEnabled // nothing is ever mounted inside a volume
			}
			shown.RecursiveReadOnly = &recursive
		}
		s.VolumeMounts = append(s.VolumeMounts, shown)
	}
	if c.state.Running == nil {
		return s
	}
	if resources := c.spec.Resources; len(resources.Requests)+len(resources.Limits) > 0 {
		s.AllocatedResources = resources.Requests.DeepCopy()
		s.Resources = resources.DeepCopy()
	}
	if c.rights != nil {
		s.User = &corev1.ContainerUser{Linux: &corev1.LinuxContainerUser{
			UID: c.rights.user, GID: c.rights.group, SupplementalGroups: append([]int64{c.rights.group}, c.rights.groups...),
		}}
	}
	return s
}

func (c *container) isReady() bool {
	if c.role == initial {
		return c.state.Terminated != nil && c.state.Terminated.ExitCode == 0
	}
	return c.state.Running != nil && c.started && c.ready
}

// phase sums the containers' states up. The pod's mutex is held.
func (p *pod) phase() corev1.PodPhase {
	if p.published.Phase == corev1.PodSucceeded || p.published.Phase == corev1.PodFailed {
		return p.published.Phase // the end of a pod is not taken back
	}
	var pending, waits, runs, ended, failed, again int
	for _, c := range p.containers {
		latest := c.state.Terminated
		if latest == nil {
			latest = c.last.Terminated
		}
		switch {
		case c.role == ephemeral:
		case c.role == sidecar:
			if c.state.Running != nil {
				runs++
			}
			if !c.once {
				pending++
			}
		case c.role == initial:
			if c.state.Running != nil || latest == nil {
				pending++
			} else if latest.ExitCode != 0 {
				if !podutil.ContainerShouldRestart(*c.spec, p.api.Spec, latest.ExitCode) && p.failure == nil {
					return corev1.PodFailed
				}
				pending++
			}
		case c.state.Running != nil:
			runs++
		case latest == nil:
			waits++
		default:
			ended++
			if latest.ExitCode != 0 {
				failed++
			}
			if podutil.ContainerShouldRestart(*c.spec, p.api.Spec, latest.ExitCode) {
				again++
			}
		}
	}
	switch {
	case p.failure != nil && runs == 0:
		return corev1.PodFailed
	case runs+ended == 0 || pending > 0 && ended == 0 || waits > 0:
		return corev1.PodPending
	case runs > 0 || again > 0 && !p.leaving:
		return corev1.PodRunning
	case failed > 0:
		return corev1.PodFailed
	}
	return corev1.PodSucceeded
}

// conditions are the kubelet's, below those that others set.
func (p *pod) conditions(s *corev1.PodStatus) []corev1.PodCondition {
	var all []corev1.PodCondition
	for _, condition := range p.api.Status.Conditions {
		switch condition.Type {
		case corev1.PodReadyToStartContainers, corev1.PodInitialized, corev1.PodReady, corev1.ContainersReady, corev1.PodScheduled, corev1.PodResizePending:
		default:
			all = append(all, condition)
		}
	}
	containers := slices.Concat(s.InitContainerStatuses, s.ContainerStatuses)
	all = append(all,
		corev1.PodCondition{Type: corev1.PodReadyToStartContainers, Status: truth(p.prepared)},
		status.GeneratePodInitializedCondition(p.api, &p.published, containers, s.Phase),
		status.GeneratePodReadyCondition(p.api, &p.published, all, containers, s.Phase),
		status.GenerateContainersReadyCondition(p.api, &p.published, containers, s.Phase),
		corev1.PodCondition{Type: corev1.PodScheduled, Status: corev1.ConditionTrue})
	if p.resized() {
		all = append(all, corev1.PodCondition{
			Type: corev1.PodResizePending, Status: corev1.ConditionTrue, Reason: corev1.PodReasonInfeasible, Message: cannotResize,
		})
	}
	for i := range all {
		_, old := podutil.GetPodConditionFromList(p.published.Conditions, all[i].Type)
		all[i].ObservedGeneration = p.api.Generation
		switch {
		case old != nil && old.Status == all[i].Status:
			all[i].LastTransitionTime = old.LastTransitionTime
		case all[i].LastTransitionTime.IsZero():
			all[i].LastTransitionTime = metav1.Now()
		}
	}
	return all
}

func truth(holds bool) corev1.ConditionStatus {
	if holds {
		return corev1.ConditionTrue
	}
	return corev1.ConditionFalse
}
