package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilrand "k8s.io/apimachinery/pkg/util/rand"

	"rolecall/harness/next"
)

// callerStarts bounds the start of a pod of ours; later is our error.
const callerStarts = 60 * time.Second

// Caller is a pod of ours in which learners' programs run. Each has one
// container, so that nothing is shared: no memory, no volume, no network.
type Caller struct {
	Namespace string
	Name      string
	UID       string
	IP        string // known once a program has run in it

	entered bool // it is known to run
}

// callerName is the name of a caller's container.
const callerName = "caller"

// StartCaller creates a pod in a namespace that runs as one of its service
// accounts, with that credential, and does not wait for it. It takes one that was
// started ahead where there is one; one with mounts of its own never is.
func (e *Env) StartCaller(ctx context.Context, namespace, account string, c Credential, mounts ...Mount) (*Caller, error) {
	how := beginnings{namespace, account, c}
	if len(mounts) > 0 {
		return e.startCaller(ctx, how, "", false, mounts...)
	}
	e.mu.Lock()
	if e.running == Setup {
		e.started = append(e.started, how)
	}
	e.mu.Unlock()
	if ready := e.takeAhead(ctx, how); ready != nil {
		return ready, nil
	}
	return e.startCaller(ctx, how, "", false)
}

// startCaller is StartCaller on a node, whatever room the scheduler sees there,
// or ahead of the next Setup.
func (e *Env) startCaller(ctx context.Context, how beginnings, node string, ahead bool, mounts ...Mount) (*Caller, error) {
	name, namespace := "caller-"+utilrand.String(5), how.namespace
	volume, annotations, err := e.credential(ctx, how.credential, namespace, how.account, name)
	if err != nil {
		return nil, err
	}
	labels := e.labels()
	if ahead {
		labels[AheadLabel] = ""
	}
	container := callerContainer(e.Image)
	if node != "" {
		container.Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("0"), corev1.ResourceMemory: resource.MustParse("0")}
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace, Labels: labels, Annotations: annotations},
		Spec: corev1.PodSpec{
			NodeName:                     cmp.Or(node, e.Node),
			ServiceAccountName:           how.account,
			AutomountServiceAccountToken: new(false), // the volume is its own
			EnableServiceLinks:           new(false),
			RestartPolicy:                corev1.RestartPolicyNever,
			SecurityContext:              &corev1.PodSecurityContext{SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
			Volumes:                      []corev1.Volume{volume, temporary},
			Containers:                   []corev1.Container{container},
		},
	}
	if how.credential == Usual {
		pod.Spec.AutomountServiceAccountToken = nil
		pod.Spec.Volumes = []corev1.Volume{temporary}
		pod.Spec.Containers[0].VolumeMounts = pod.Spec.Containers[0].VolumeMounts[:1]
	}
	for i, m := range mounts {
		m.add(&pod.Spec, fmt.Sprintf("mount-%d", i))
	}
	if namespace != metav1.NamespaceDefault {
		if pod.Spec.HostAliases, err = e.shortName(ctx); err != nil {
			return nil, err
		}
	}
	created, err := e.Client.CoreV1().Pods(namespace).Create(ctx, pod, metav1.CreateOptions{})
	if err != nil {
		return nil, next.Errorf("make status", "creating a pod to run programs in: %w", err)
	}
	return &Caller{Namespace: namespace, Name: name, UID: string(created.UID)}, nil
}

// Mount is a Secret of a caller's namespace whose entries the caller finds as
// files in a folder, read-only.
type Mount struct{ Path, Secret string }

func (m Mount) add(spec *corev1.PodSpec, name string) {
	spec.Volumes = append(spec.Volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: m.Secret}}})
	mounts := &spec.Containers[0].VolumeMounts
	*mounts = append(*mounts, corev1.VolumeMount{Name: name, MountPath: m.Path, ReadOnly: true})
}

// temporary is what a caller has for /tmp.
var temporary = corev1.Volume{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{
	Medium: corev1.StorageMediumMemory, SizeLimit: new(resource.MustParse("96Mi")),
}}}

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
func callerContainer(image string) corev1.Container {
	return corev1.Container{
		Name:            callerName,
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
			{Name: temporary.Name, MountPath: "/tmp"},
			{Name: "credential", MountPath: ServiceAccountPath, ReadOnly: true},
		},
	}
}

// tryEvery is how often await tries to enter a caller. On kind a try takes two
// connections to the kubelet, which has pods to start.
const tryEvery = 300 * time.Millisecond

// await waits until a caller can be entered. To ask for the pod's status is
// cheaper than to try; but a kubelet's is up to a second behind, so it tries as
// well.
func (e *Env) await(ctx context.Context, c *Caller) error {
	if c.entered {
		return nil
	}
	var pod *corev1.Pod
	var last error
	tried := time.Now()
	entered, err := Eventually(ctx, callerStarts, 50*time.Millisecond, func(ctx context.Context) (bool, error) {
		if pod, last = e.Client.CoreV1().Pods(c.Namespace).Get(ctx, c.Name, metav1.GetOptions{}); last != nil {
			pod = nil
			return false, nil
		}
		if runs(pod) && pod.Status.PodIP != "" {
			c.IP = pod.Status.PodIP
			return true, nil
		}
		if never(pod) != "" { // for example because the node does not have the lab image
			return false, fmt.Errorf("starting our pod %s: it cannot start", c.Name)
		}
		if time.Since(tried) < tryEvery {
			return false, nil
		}
		tried = time.Now()
		var address []byte
		var status int
		address, _, status, last = e.Exec(ctx, c.Namespace, c.Name, callerName, nil, "hostname", "-i")
		c.IP = strings.TrimSpace(string(address))
		return last == nil && status == 0, nil
	})
	if err == nil && entered {
		c.entered = true
		return nil
	}
	cause := errors.Join(err, last)
	if cause == nil {
		cause = fmt.Errorf("not running after %s", callerStarts)
	}
	return next.Errorf("make status", "waiting for our pod %s: %w (%s)", c.Name, cause, PodState(pod))
}

// runs reports whether a caller's status says that its container runs.
func runs(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.ContainerStatuses, func(s corev1.ContainerStatus) bool {
		return s.Name == callerName && s.State.Running != nil
	})
}
