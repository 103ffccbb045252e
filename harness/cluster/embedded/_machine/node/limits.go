package node

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// What a pod may use at most, whatever it asks for, in bytes unless it says
// otherwise. Its containers' files are in memory and count as such, except on
// a machine without namespaces, where podDisk limits them.
const (
	podPIDs       = 256 // processes and threads
	podContainers = 64  // each takes descriptors of the machine's
	leastMemory   = 512 << 20
	mostMemory    = 1 << 30
	podDisk       = 512 << 20
	usualVolume   = 64 << 20  // an emptyDir
	largestVolume = 256 << 20 // one that asks for more
	largestRoot   = 128 << 20 // what one container changes outside its volumes
)

// podLimits are those of the pod as a whole: what it asks for, and no more than
// a quarter of the machine's memory, so that it cannot take the cluster down.
func (n *node) podLimits(pod *corev1.Pod) (memory, cpu int64) {
	own := pod.Spec.Resources
	if own == nil {
		own = &corev1.ResourceRequirements{}
	}
	ceiling := min(max(n.capacity.Memory().Value()/4, leastMemory), mostMemory)
	return capped(own.Limits.Memory(), ceiling), own.Limits.Cpu().MilliValue()
}

// capped is what is asked for, or the ceiling where that is lower or nothing is
// asked for.
func capped(asked *resource.Quantity, ceiling int64) int64 {
	if asked == nil || asked.Sign() <= 0 || asked.CmpInt64(ceiling) >= 0 { // Value is 0 for what int64 cannot hold
		return ceiling
	}
	return asked.Value()
}

// sizeOf is what an emptyDir may hold.
func sizeOf(volume *corev1.EmptyDirVolumeSource) int64 {
	if volume.SizeLimit == nil || volume.SizeLimit.Sign() <= 0 {
		return usualVolume
	}
	return capped(volume.SizeLimit, largestVolume)
}

// tellCeilings says where the pod asks for more than it gets.
func (p *pod) tellCeilings() {
	pod := p.object()
	memory, _ := p.node.podLimits(&corev1.Pod{})
	tell := func(asked *resource.Quantity, most int64, of string) {
		if asked != nil && asked.CmpInt64(most) > 0 {
			p.record("", warning("NotSupported", fmt.Sprintf("this node limits %s to %s, not to the %s asked for%s",
				of, resource.NewQuantity(most, resource.BinarySI), asked, kindCan)))
		}
	}
	if whole := pod.Spec.Resources; whole != nil {
		tell(whole.Limits.Memory(), memory, "the pod's memory")
	}
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		tell(c.Resources.Limits.Memory(), memory, "the memory of the container "+c.Name)
		tell(c.Resources.Limits.StorageEphemeral(), largestRoot, "the files of the container "+c.Name)
	}
	for _, volume := range pod.Spec.Volumes {
		if volume.EmptyDir != nil {
			tell(volume.EmptyDir.SizeLimit, largestVolume, "the volume "+volume.Name)
		}
	}
}
