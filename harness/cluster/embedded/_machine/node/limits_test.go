package node

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// TestCeilings has a pod ask for more than the machine has, and for less than
// it may have.
func TestCeilings(t *testing.T) {
	for _, try := range []struct {
		name, volume, disk   string
		wantVolume, wantRoot int64
	}{
		{"more", "1Ti", "1Ti", 256 << 20, 128 << 20},
		{"beyond all numbers", "10E", "10E", 256 << 20, 128 << 20},
		{"less", "1Mi", "2Mi", 1 << 20, 2 << 20},
		{"nothing", "0", "0", 64 << 20, 128 << 20},
	} {
		t.Run(try.name, func(t *testing.T) {
			f := &fakeSandboxes{program: sleeps}
			limit := resource.MustParse(try.volume)
			s := newStage(t, f, labPod(func(p *corev1.Pod) {
				p.Spec.Containers[0].Resources.Limits = corev1.ResourceList{corev1.ResourceEphemeralStorage: resource.MustParse(try.disk)}
				p.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: &limit}}}}
			}))
			s.until(t, "ready", ready)
			f.mu.Lock()
			defer f.mu.Unlock()
			require.Equal(t, int64(podDisk), f.pod.Disk)
			require.Equal(t, int64(podPIDs), f.pod.PIDs)
			require.LessOrEqual(t, f.pod.Memory, int64(mostMemory))
			require.Equal(t, try.wantVolume, f.volumes["data"].SizeLimit)
			require.Equal(t, try.wantRoot, f.runs[0].Disk)
		})
	}
}

func TestCeilingsAreTold(t *testing.T) {
	limit := resource.MustParse("1Ti")
	s := newStage(t, &fakeSandboxes{program: sleeps}, labPod(func(p *corev1.Pod) {
		p.Spec.Containers[0].Resources.Limits = corev1.ResourceList{corev1.ResourceEphemeralStorage: limit, corev1.ResourceMemory: limit}
		p.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: &limit}}}}
	}))
	for _, says := range []string{
		"the memory of the container shell to ", "the files of the container shell to 128Mi, not to the 1Ti asked for", "the volume data to 256Mi, not to the 1Ti asked for",
	} {
		require.Contains(t, s.told(t, "NotSupported"), says)
	}
	s.until(t, "ready", ready)
}

func TestPodMemory(t *testing.T) {
	for _, try := range []struct {
		machine, asked string
		want           int64
	}{
		{"64Gi", "64Gi", 1 << 30},
		{"64Gi", "10E", 1 << 30},
		{"64Gi", "0", 1 << 30},
		{"64Gi", "100Mi", 100 << 20},
		{"3Gi", "1Ti", 768 << 20}, // a quarter
		{"1Gi", "1Ti", 512 << 20}, // no less than a pod needs
	} {
		n := &node{capacity: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(try.machine)}}
		memory, _ := n.podLimits(labPod(func(p *corev1.Pod) {
			p.Spec.Resources = &corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(try.asked)}}
		}))
		require.Equal(t, try.want, memory, try)
	}
}

func TestPodsOfManyContainers(t *testing.T) {
	pod := labPod(func(p *corev1.Pod) {
		for i := range podContainers {
			p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: fmt.Sprint("c", i), Image: labImage})
		}
	})
	require.Equal(t, "this node cannot give a pod 65 containers (at most 64)"+kindCan, refused(pod).message)
	pod.Spec.Containers = pod.Spec.Containers[1:]
	require.Nil(t, refused(pod))
}
