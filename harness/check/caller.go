package check

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The containers of a caller. They differ only in what stands at
// ServiceAccountPath.
const (
	Genuine      = "genuine"       // what Kubernetes mounts
	ForeignCA    = "foreign-ca"    // the genuine token, another authority's ca.crt
	ForeignToken = "foreign-token" // the genuine ca.crt, a token of another issuer
)

// ServiceAccountPath is where Kubernetes puts token, ca.crt and namespace.
const ServiceAccountPath = "/var/run/secrets/kubernetes.io/serviceaccount"

// callerStarts bounds the start of a pod of ours; later is our error.
const callerStarts = 60 * time.Second

// Caller is a pod of ours in which learners' programs run.
type Caller struct {
	Namespace string
	Name      string
	UID       string
	IP        string // known once a program has run in it

	ready bool
}

// StartCaller creates a pod in a namespace, as its default service account,
// with the containers named, and does not wait for it.
func (e *Env) StartCaller(ctx context.Context, namespace string, containers ...string) (*Caller, error) {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "caller-", Namespace: namespace, Labels: e.labels()},
		Spec: corev1.PodSpec{
			ServiceAccountName:           "default",
			AutomountServiceAccountToken: new(false), // each container mounts its own kind
			EnableServiceLinks:           new(false),
			RestartPolicy:                corev1.RestartPolicyNever,
			SecurityContext:              &corev1.PodSecurityContext{SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
			Volumes: []corev1.Volume{{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{
				Medium: corev1.StorageMediumMemory, SizeLimit: new(resource.MustParse("96Mi")),
			}}}},
		},
	}
	for _, name := range containers {
		volume, annotations, err := credential(name)
		if err != nil {
			return nil, err
		}
		pod.Spec.Volumes = append(pod.Spec.Volumes, volume)
		pod.Spec.Containers = append(pod.Spec.Containers, callerContainer(name))
		for key, value := range annotations {
			metav1.SetMetaDataAnnotation(&pod.ObjectMeta, key, value)
		}
	}
	created, err := e.Client.CoreV1().Pods(namespace).Create(ctx, pod, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("creating a pod to run programs in: %w; type make status", err)
	}
	return &Caller{Namespace: namespace, Name: created.Name, UID: string(created.UID)}, nil
}

// callerContainer waits to be used. What runs in it may take 256 MiB of
// memory and one processor, and may write to /tmp only; the number of its
// processes is bounded by the kubelet's podPidsLimit.
func callerContainer(name string) corev1.Container {
	return corev1.Container{
		Name:            name,
		Image:           LabImage,
		ImagePullPolicy: corev1.PullIfNotPresent,
		Command:         []string{"sleep", "3600"}, // as process 1: a program cannot kill it
		WorkingDir:      "/tmp",
		Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("10m"), corev1.ResourceMemory: resource.MustParse("16Mi")},
			Limits:   corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1"), corev1.ResourceMemory: resource.MustParse("256Mi")},
		},
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: new(false),
			ReadOnlyRootFilesystem:   new(true),
			Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		},
		VolumeMounts: []corev1.VolumeMount{
			{Name: "tmp", MountPath: "/tmp"},
			{Name: name, MountPath: ServiceAccountPath, ReadOnly: true},
		},
	}
}

// await waits until the container can be entered.
func (e *Env) await(ctx context.Context, c *Caller) error {
	if c.ready {
		return nil
	}
	var last *corev1.Pod
	ready, err := e.podBecomes(ctx, c.Namespace, c.Name, callerStarts, func(pod *corev1.Pod) bool {
		last = pod
		return isReady(pod)
	})
	if err != nil {
		return fmt.Errorf("waiting for our pod %s: %w; type make status", c.Name, err)
	}
	if !ready {
		return fmt.Errorf("waiting for our pod %s: not ready after %s (%s); type make status", c.Name, callerStarts, PodState(last))
	}
	c.IP, c.ready = last.Status.PodIP, true
	return nil
}
