package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rolecall/harness/next"
)

// The containers of a caller. They differ only in what is at
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

	entered map[string]bool // containers that are known to run
}

// StartCaller creates a pod in a namespace that runs as one of its service
// accounts, with the containers named, and does not wait for it.
func (e *Env) StartCaller(ctx context.Context, namespace, account string, containers ...string) (*Caller, error) {
	return e.startCaller(ctx, namespace, account, "", containers...)
}

// startCaller is StartCaller on a node, whatever room the scheduler sees there.
func (e *Env) startCaller(ctx context.Context, namespace, account, node string, containers ...string) (*Caller, error) {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "caller-", Namespace: namespace, Labels: e.labels()},
		Spec: corev1.PodSpec{
			NodeName:                     node,
			ServiceAccountName:           account,
			AutomountServiceAccountToken: new(false), // each container mounts its own kind
			EnableServiceLinks:           new(false),
			RestartPolicy:                corev1.RestartPolicyNever,
			SecurityContext:              &corev1.PodSecurityContext{SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
		},
	}
	if namespace != metav1.NamespaceDefault {
		alias, err := e.shortName(ctx)
		if err != nil {
			return nil, err
		}
		pod.Spec.HostAliases = alias
	}
	for _, name := range containers {
		volume, annotations, err := credential(name, ServiceAccount(namespace, account).User)
		if err != nil {
			return nil, err
		}
		pod.Spec.Volumes = append(pod.Spec.Volumes, volume, temporary(name))
		container := callerContainer(name, e.Image)
		if node != "" {
			container.Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("0"), corev1.ResourceMemory: resource.MustParse("0")}
		}
		pod.Spec.Containers = append(pod.Spec.Containers, container)
		for key, value := range annotations {
			metav1.SetMetaDataAnnotation(&pod.ObjectMeta, key, value)
		}
	}
	created, err := e.Client.CoreV1().Pods(namespace).Create(ctx, pod, metav1.CreateOptions{})
	if err != nil {
		return nil, next.Errorf("make status", "creating a pod to run programs in: %w", err)
	}
	return &Caller{Namespace: namespace, Name: created.Name, UID: string(created.UID), entered: map[string]bool{}}, nil
}

// temporary is what a caller's container has for /tmp: one of its own, for not
// every cluster can share an empty volume.
func temporary(container string) corev1.Volume {
	return corev1.Volume{Name: "tmp-" + container, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{
		Medium: corev1.StorageMediumMemory, SizeLimit: new(resource.MustParse("96Mi")),
	}}}
}

// shortName makes https://kubernetes lead to the API server in any namespace,
// as it does in default: a program that uses it is right, wherever we run it.
func (e *Env) shortName(ctx context.Context) ([]corev1.HostAlias, error) {
	server, err := e.Client.CoreV1().Services(metav1.NamespaceDefault).Get(ctx, "kubernetes", metav1.GetOptions{})
	if err != nil {
		return nil, next.Errorf("make status", "asking for the API server's address in the cluster: %w", err)
	}
	return []corev1.HostAlias{{IP: server.Spec.ClusterIP, Hostnames: []string{"kubernetes"}}}, nil
}

// callerContainer waits to be used. What runs in it may take 256 MiB of
// memory and one processor, and may write to /tmp only; the number of its
// processes is bounded by the kubelet's podPidsLimit.
func callerContainer(name, image string) corev1.Container {
	return corev1.Container{
		Name:            name,
		Image:           image,
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
			{Name: temporary(name).Name, MountPath: "/tmp"},
			{Name: name, MountPath: ServiceAccountPath, ReadOnly: true},
		},
	}
}

// await waits until a container can be entered. It tries to, because the pod's
// status is up to a second behind; what the status knows already is cheaper.
func (e *Env) await(ctx context.Context, c *Caller, container string) error {
	if c.entered[container] {
		return nil
	}
	var pod *corev1.Pod
	var last error
	entered, err := Eventually(ctx, callerStarts, 100*time.Millisecond, func(ctx context.Context) (bool, error) {
		if pod, last = e.Client.CoreV1().Pods(c.Namespace).Get(ctx, c.Name, metav1.GetOptions{}); last != nil {
			pod = nil
			return false, nil
		}
		if runs(pod, container) && pod.Status.PodIP != "" {
			c.IP = pod.Status.PodIP
			return true, nil
		}
		if never(pod) != "" { // for example because the node does not have the lab image
			return false, fmt.Errorf("starting our pod %s: it cannot start", c.Name)
		}
		var address []byte
		var status int
		address, _, status, last = e.Exec(ctx, c.Namespace, c.Name, container, nil, "hostname", "-i")
		c.IP = strings.TrimSpace(string(address))
		return last == nil && status == 0, nil
	})
	if err == nil && entered {
		c.entered[container] = true
		return nil
	}
	cause := errors.Join(err, last)
	if cause == nil {
		cause = fmt.Errorf("not running after %s", callerStarts)
	}
	return next.Errorf("make status", "waiting for our pod %s: %w (%s)", c.Name, cause, PodState(pod))
}

// runs reports whether a pod's status says that a container runs.
func runs(pod *corev1.Pod, container string) bool {
	return slices.ContainsFunc(pod.Status.ContainerStatuses, func(s corev1.ContainerStatus) bool {
		return s.Name == container && s.State.Running != nil
	})
}
