package node

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/kubelet/sysctl"
)

// refusal is a pod that this node does not run, and why.
type refusal struct {
	// reason is that of the containers' waiting state, or of the pod where
	// failed is set: then it is one that a kubelet would reject too.
	reason  string
	message string
	failed  bool
}

const (
	cannotCreate = "CreateContainerConfigError"
	kindCan      = "; a cluster made with CLUSTER=kind can"
)

// Reasons of this node's own, which no kubelet gives: what they are about is no
// fault of whoever wrote the pod.
const (
	notSupported = "NotSupported" // an ordinary node has it
	nodeFailure  = "NodeFailure"  // the machine lacks something, such as disk space; the node goes on trying
)

// refused looks for what this node cannot give. It returns nil for a pod that
// it can run.
func refused(pod *corev1.Pod) *refusal {
	for _, asked := range sysctls(pod) {
		if !slices.Contains(sysctl.SafeSysctlAllowlist(context.Background()), asked.Name) {
			return &refusal{reason: "SysctlForbidden", message: fmt.Sprintf("forbidden sysctl: %q not allowlisted", asked.Name), failed: true}
		}
	}
	for _, look := range []func(*corev1.Pod) string{refusedOfHost, refusedVolume, refusedContainer} {
		if what := look(pod); what != "" {
			return cannotGive(what)
		}
	}
	return nil
}

func cannotGive(what string) *refusal {
	return &refusal{reason: notSupported, message: "this node cannot give a pod " + what + kindCan}
}

func sysctls(pod *corev1.Pod) []corev1.Sysctl {
	if pod.Spec.SecurityContext == nil {
		return nil
	}
	return pod.Spec.SecurityContext.Sysctls
}

func refusedOfHost(pod *corev1.Pod) string {
	spec := &pod.Spec
	switch {
	case spec.HostNetwork:
		return "the node's network (hostNetwork)"
	case spec.HostPID:
		return "the node's processes (hostPID)"
	case spec.HostIPC:
		return "the node's IPC (hostIPC)"
	case spec.ShareProcessNamespace != nil && *spec.ShareProcessNamespace:
		return "one process namespace for all its containers (shareProcessNamespace)"
	case spec.RuntimeClassName != nil && *spec.RuntimeClassName != "":
		return fmt.Sprintf("the runtime class %s (runtimeClassName)", *spec.RuntimeClassName)
	case len(spec.ResourceClaims) > 0:
		return "a device (resourceClaims)"
	case spec.OS != nil && spec.OS.Name != corev1.Linux:
		return fmt.Sprintf("the operating system %s (os.name)", spec.OS.Name)
	case spec.SecurityContext != nil && localProfile(spec.SecurityContext.SeccompProfile):
		return "a security profile of its own (type: Localhost)"
	case spec.SecurityContext != nil && confines(spec.SecurityContext.AppArmorProfile):
		return "an AppArmor profile (appArmorProfile)"
	}
	return ""
}

func localProfile(seccomp *corev1.SeccompProfile) bool {
	return seccomp != nil && seccomp.Type == corev1.SeccompProfileTypeLocalhost
}

// confines reports whether a profile is more than none, which all pods have here.
func confines(appArmor *corev1.AppArmorProfile) bool {
	return appArmor != nil && appArmor.Type != corev1.AppArmorProfileTypeUnconfined
}

func refusedVolume(pod *corev1.Pod) string {
	for _, volume := range pod.Spec.Volumes {
		given := volume.EmptyDir != nil || volume.ConfigMap != nil || volume.Secret != nil || volume.DownwardAPI != nil || volume.Projected != nil
		switch {
		case volume.HostPath != nil:
			return fmt.Sprintf("a folder of the node (volume %s, hostPath)", volume.Name)
		case volume.PersistentVolumeClaim != nil || volume.Ephemeral != nil:
			return fmt.Sprintf("persistent storage (volume %s)", volume.Name)
		case volume.EmptyDir != nil && volume.EmptyDir.Medium != corev1.StorageMediumDefault && volume.EmptyDir.Medium != corev1.StorageMediumMemory:
			return fmt.Sprintf("huge pages (volume %s, medium %s)", volume.Name, volume.EmptyDir.Medium)
		case !given:
			return fmt.Sprintf("this type of volume (volume %s); it has emptyDir, configMap, secret, downwardAPI and projected", volume.Name)
		case volume.Projected == nil:
			continue
		}
		for _, source := range volume.Projected.Sources {
			if source.ClusterTrustBundle != nil || source.PodCertificate != nil {
				return fmt.Sprintf("a cluster trust bundle or a pod certificate (volume %s)", volume.Name)
			}
		}
	}
	return ""
}

func refusedContainer(pod *corev1.Pod) string {
	all := slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers)
	if len(all) > podContainers {
		return fmt.Sprintf("%d containers (at most %d)", len(all), podContainers)
	}
	for _, c := range all {
		if what := beyond(&c); what != "" {
			return what
		}
	}
	return ""
}

// beyond is what this node cannot give a container, in words, or "".
func beyond(c *corev1.Container) string {
	if len(c.VolumeDevices) > 0 {
		return fmt.Sprintf("a block device (container %s, volumeDevices)", c.Name)
	}
	for _, port := range c.Ports {
		if port.HostPort != 0 {
			return fmt.Sprintf("a port of the node (container %s, hostPort %d)", c.Name, port.HostPort)
		}
	}
	if host := otherHost(c); host != "" {
		return fmt.Sprintf("a probe or hook that calls another host (container %s, host %s)", c.Name, host)
	}
	context := c.SecurityContext
	switch {
	case context == nil:
	case context.Privileged != nil && *context.Privileged:
		return fmt.Sprintf("a privileged container (container %s)", c.Name)
	case localProfile(context.SeccompProfile):
		return fmt.Sprintf("a security profile of its own (container %s, type: Localhost)", c.Name)
	case confines(context.AppArmorProfile):
		return fmt.Sprintf("an AppArmor profile (container %s)", c.Name)
	case context.ProcMount != nil && *context.ProcMount != corev1.DefaultProcMount:
		return fmt.Sprintf("an unmasked /proc (container %s, procMount)", c.Name)
	}
	return ""
}

// otherHost is the host that a probe or a hook of the container names: a
// kubelet connects to it from the node's network, and this node never does.
func otherHost(c *corev1.Container) string {
	for _, probe := range []*corev1.Probe{c.StartupProbe, c.LivenessProbe, c.ReadinessProbe} {
		switch {
		case probe == nil:
		case probe.HTTPGet != nil && probe.HTTPGet.Host != "":
			return probe.HTTPGet.Host
		case probe.TCPSocket != nil && probe.TCPSocket.Host != "":
			return probe.TCPSocket.Host
		}
	}
	if c.Lifecycle == nil {
		return ""
	}
	for _, hook := range []*corev1.LifecycleHandler{c.Lifecycle.PostStart, c.Lifecycle.PreStop} {
		if hook != nil && hook.HTTPGet != nil && hook.HTTPGet.Host != "" {
			return hook.HTTPGet.Host
		}
	}
	return ""
}

const noServers = "this node cannot let a program in a pod listen, since its pods have no network of their own" + kindCan

// refusedServer is for a node where nothing in a pod can listen: it looks for a
// probe or a hook that would wait for an answer in vain.
func refusedServer(pod *corev1.Pod) *refusal {
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		for _, probe := range []*corev1.Probe{c.StartupProbe, c.LivenessProbe, c.ReadinessProbe} {
			if probe != nil && probe.Exec == nil {
				return cannotGive(fmt.Sprintf("a probe over the network (container %s): nothing in a pod can listen here", c.Name))
			}
		}
		if c.Lifecycle == nil {
			continue
		}
		for _, hook := range []*corev1.LifecycleHandler{c.Lifecycle.PostStart, c.Lifecycle.PreStop} {
			if hook != nil && hook.HTTPGet != nil {
				return cannotGive(fmt.Sprintf("a hook over the network (container %s): nothing in a pod can listen here", c.Name))
			}
		}
	}
	return nil
}
