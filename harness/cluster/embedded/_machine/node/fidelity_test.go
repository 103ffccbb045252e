package node

import (
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/kubernetes/fake"
	featuregatetesting "k8s.io/component-base/featuregate/testing"
	podutil "k8s.io/kubernetes/pkg/api/v1/pod"
	"k8s.io/kubernetes/pkg/features"

	"rolecall.build/machine/sandbox"
)

// TestSubPathOfAnUnsetVariable asks for a folder whose name nobody gave: the
// whole volume is not what was meant.
func TestSubPathOfAnUnsetVariable(t *testing.T) {
	s := newStage(t, &fakeSandboxes{program: sleeps}, labPod(func(p *corev1.Pod) {
		p.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
		p.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data", SubPathExpr: "$(WHO)"}}
	}))
	status := s.until(t, "CreateContainerConfigError", waitsFor("CreateContainerConfigError"))
	require.Equal(t, "missing value for WHO", status.ContainerStatuses[0].State.Waiting.Message)
}

// TestVolumeUsers reads the fields user and defaultUser, which a cluster has
// that enables them.
func TestVolumeUsers(t *testing.T) {
	source := &corev1.ConfigMapVolumeSource{
		LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}, DefaultMode: new(int32(0o600)), DefaultUser: new(int64(1000)),
		Items: []corev1.KeyToPath{{Key: "a", Path: "a"}, {Key: "a", Path: "b", User: new(int64(2000)), Mode: new(int32(0o640))}},
	}
	settings := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "settings", Namespace: "default"}, Data: map[string]string{"a": "x"}}
	for enabled, users := range map[bool][2]int64{false: {0, 0}, true: {1000, 2000}} {
		featuregatetesting.SetFeatureGateDuringTest(t, utilfeature.DefaultFeatureGate, features.AtomicWriteVolumeUserFields, enabled)
		v := volumes{environment: environment{objects: newObjects(fake.NewClientset(settings), nil), pod: labPod()}}
		content, err := v.content(t.Context(), &corev1.Volume{VolumeSource: corev1.VolumeSource{ConfigMap: source}})
		require.NoError(t, err)
		require.Equal(t, map[string]sandbox.File{
			"a": {Data: []byte("x"), Mode: 0o600, User: users[0]}, "b": {Data: []byte("x"), Mode: 0o640, User: users[1]},
		}, content.Files)
	}
}

// TestReplacedImage gives a running pod that is never restarted another image,
// as kubectl set image does, then one that is not there.
func TestReplacedImage(t *testing.T) {
	f := &fakeSandboxes{program: sleeps}
	s := newStage(t, f, labPod(never))
	s.node.images["labs.local/other:1"] = &image{ref: "labs.local/other:1", id: "sha256:2", config: v1.Config{Env: []string{"PATH=/bin"}}}
	s.until(t, "ready", ready)
	replace := func(image string) {
		changed := s.pod.object().DeepCopy()
		changed.Spec.Containers[0].Image = image
		s.node.provider.update(s.pod, changed)
	}
	replace("labs.local/other:1")
	status := s.until(t, "ready again", func(status corev1.PodStatus) bool {
		return ready(status) && status.ContainerStatuses[0].RestartCount == 1
	})
	require.Equal(t, "labs.local/other:1", status.ContainerStatuses[0].Image)
	require.Equal(t, "sha256:2", status.ContainerStatuses[0].ImageID)
	require.Equal(t, int32(143), status.ContainerStatuses[0].LastTerminationState.Terminated.ExitCode)
	require.Contains(t, s.told(t, "Killing"), "Container shell definition changed, will be restarted")

	replace("labs.local/nosuch:1")
	status = s.until(t, "ImagePullBackOff", waitsFor("ImagePullBackOff"))
	require.Contains(t, status.ContainerStatuses[0].State.Waiting.Message, "labs.local/nosuch:1")
	replace(labImage)
	s.until(t, "ready with the first image", func(status corev1.PodStatus) bool {
		return ready(status) && status.ContainerStatuses[0].RestartCount == 2
	})
}

// TestResize asks for more memory of a pod that runs, and takes it back.
func TestResize(t *testing.T) {
	s := newStage(t, &fakeSandboxes{program: sleeps}, labPod())
	s.until(t, "ready", ready)
	resize := func(resources corev1.ResourceRequirements) {
		changed := s.pod.object().DeepCopy()
		changed.Spec.Containers[0].Resources = resources
		s.node.provider.update(s.pod, changed)
	}
	pending := func(s corev1.PodStatus) *corev1.PodCondition {
		_, condition := podutil.GetPodCondition(&s, corev1.PodResizePending)
		return condition
	}
	require.Nil(t, pending(s.pod.status()))
	resize(corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")}})
	condition := pending(s.pod.status())
	require.NotNil(t, condition)
	require.Equal(t, corev1.PodReasonInfeasible, condition.Reason)
	require.Contains(t, condition.Message, "CLUSTER=kind can")
	require.Contains(t, s.told(t, "NotSupported"), "cannot resize")
	require.Nil(t, s.pod.status().ContainerStatuses[0].Resources, "what it has did not change")
	resize(corev1.ResourceRequirements{})
	require.Nil(t, pending(s.pod.status()))
}

// TestEphemeralContainersAreRefusedToo adds one with more rights to a pod.
func TestEphemeralContainersAreRefusedToo(t *testing.T) {
	f := &fakeSandboxes{program: sleeps}
	s := newStage(t, f, labPod())
	s.until(t, "ready", ready)
	for name, context := range map[string]*corev1.SecurityContext{
		"privileged": {Privileged: new(true)},
		"profile":    {SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeLocalhost}},
		"armor":      {AppArmorProfile: &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeLocalhost}},
	} {
		changed := s.pod.object().DeepCopy()
		changed.Spec.EphemeralContainers = append(changed.Spec.EphemeralContainers, corev1.EphemeralContainer{
			EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: name, Image: labImage, SecurityContext: context},
		})
		s.node.provider.update(s.pod, changed)
		require.Contains(t, s.told(t, "NotSupported"), "container "+name)
	}
	status := s.pod.status()
	require.True(t, ready(status))
	require.Len(t, status.EphemeralContainerStatuses, 3)
	for _, c := range status.EphemeralContainerStatuses {
		require.Equal(t, notSupported, c.State.Waiting.Reason)
		require.Contains(t, c.State.Waiting.Message, "CLUSTER=kind can")
	}
	require.Len(t, f.runs, 1)
}

// TestProbesOfALeavingPod counts the probes of a container that takes its time
// to end: only readiness still counts.
func TestProbesOfALeavingPod(t *testing.T) {
	f := &fakeSandboxes{program: func(_ sandbox.ContainerSpec, signals <-chan syscall.Signal) sandbox.Exit {
		<-signals
		time.Sleep(1500 * time.Millisecond)
		return sandbox.Exit{}
	}}
	probe := func(name string) *corev1.Probe {
		return &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{name}}}, PeriodSeconds: 1, SuccessThreshold: 1, FailureThreshold: 1}
	}
	s := newStage(t, f, labPod(func(p *corev1.Pod) {
		p.Spec.Containers[0].LivenessProbe, p.Spec.Containers[0].ReadinessProbe = probe("liveness"), probe("readiness")
	}))
	s.until(t, "ready", ready)
	s.pod.depart(10 * time.Second)
	f.mu.Lock()
	f.execs = nil
	f.mu.Unlock()
	<-s.pod.stopped
	require.Contains(t, f.execs, "readiness")
	require.NotContains(t, f.execs, "liveness")
}

func TestRecursiveReadOnly(t *testing.T) {
	s := newStage(t, &fakeSandboxes{program: sleeps}, labPod(func(p *corev1.Pod) {
		p.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
		p.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{
			{Name: "data", MountPath: "/a", ReadOnly: true, RecursiveReadOnly: new(corev1.RecursiveReadOnlyEnabled)},
			{Name: "data", MountPath: "/b", ReadOnly: true, RecursiveReadOnly: new(corev1.RecursiveReadOnlyIfPossible)},
			{Name: "data", MountPath: "/c", ReadOnly: true},
		}
	}))
	mounts := s.until(t, "ready", ready).ContainerStatuses[0].VolumeMounts
	require.Equal(t, corev1.RecursiveReadOnlyEnabled, *mounts[0].RecursiveReadOnly)
	require.Equal(t, corev1.RecursiveReadOnlyEnabled, *mounts[1].RecursiveReadOnly)
	require.Equal(t, corev1.RecursiveReadOnlyDisabled, *mounts[2].RecursiveReadOnly)
}

// TestHintsThatAKubeletIgnoresToo gives a pod what changes nothing on a node
// without SELinux, with the image there.
func TestHintsThatAKubeletIgnoresToo(t *testing.T) {
	s := newStage(t, &fakeSandboxes{program: sleeps}, labPod(func(p *corev1.Pod) {
		p.Spec.SecurityContext = &corev1.PodSecurityContext{
			SELinuxOptions:  &corev1.SELinuxOptions{Level: "s0:c1"},
			AppArmorProfile: &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeUnconfined},
		}
		p.Spec.ImagePullSecrets = []corev1.LocalObjectReference{{Name: "nosuch"}}
	}))
	s.until(t, "ready", ready)
}

func TestSafeSysctls(t *testing.T) {
	for name, safe := range map[string]bool{"net.ipv4.tcp_slow_start_after_idle": true, "net.ipv4.ip_unprivileged_port_start": true, "kernel.msgmax": false} {
		r := refused(labPod(func(p *corev1.Pod) {
			p.Spec.SecurityContext = &corev1.PodSecurityContext{Sysctls: []corev1.Sysctl{{Name: name, Value: "0"}}}
		}))
		require.Equal(t, safe, r == nil, name)
	}
}

// TestReach connects as the API server does, to addresses of pods and services
// and to others.
func TestReach(t *testing.T) {
	f := &fakeSandboxes{program: sleeps}
	s := newStage(t, f, labPod())
	s.until(t, "ready", ready)
	for name, address := range map[string]string{"web": "10.96.7.7", "empty": "10.96.7.8"} {
		require.NoError(t, s.wide.Core().V1().Services().Informer().GetStore().Add(&corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
			Spec:       corev1.ServiceSpec{ClusterIPs: []string{address}, Ports: []corev1.ServicePort{{Name: "https", Port: 443, Protocol: corev1.ProtocolTCP}}},
		}))
	}
	require.NoError(t, s.wide.Discovery().V1().EndpointSlices().Informer().GetStore().Add(&discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web-1", Labels: map[string]string{discoveryv1.LabelServiceName: "web"}},
		Ports:      []discoveryv1.EndpointPort{{Name: new("https"), Port: new(int32(8443))}},
		Endpoints: []discoveryv1.Endpoint{
			{Addresses: []string{"10.244.0.2"}},
			{Addresses: []string{"10.244.0.3"}, Conditions: discoveryv1.EndpointConditions{Ready: new(false)}},
		},
	}))
	for address, says := range map[string]string{
		"10.244.0.2:8080": "connection refused", // by the fake pod, which was asked
		"10.96.7.7:443":   "connection refused",
		"10.96.7.7:80":    "no pod of this cluster has that address",
		"10.96.7.8:443":   "default/empty: it has no pod that is ready",
		"10.244.0.3:80":   "no pod of this cluster has that address",
		"192.168.0.1:80":  "no pod of this cluster has that address",
		"example.com:80":  "only pods and services of this cluster can be reached",
	} {
		_, err := s.node.reach(t.Context(), "tcp", address)
		require.ErrorContains(t, err, says, address)
	}
	require.ElementsMatch(t, []string{"10.244.0.2:8080", "10.244.0.2:8443"}, f.dialed)
}

// TestUnreachableServicesAreToldOnce has services and their endpoints come in
// either order.
func TestUnreachableServicesAreToldOnce(t *testing.T) {
	s := newStage(t, &fakeSandboxes{program: sleeps}, labPod())
	s.until(t, "ready", ready)
	for len(s.events.Events) > 0 {
		<-s.events.Events
	}
	u := &unreachableServices{node: s.node, told: map[types.UID]bool{}}
	require.NoError(t, u.watch(s.wide))
	s.wide.Start(t.Context().Done())
	s.wide.WaitForCacheSync(t.Context().Done())
	service := func(name string) {
		_, err := s.client.CoreV1().Services("default").Create(t.Context(), &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name)}}, metav1.CreateOptions{})
		require.NoError(t, err)
	}
	slice := func(name string, target *corev1.ObjectReference) {
		_, err := s.client.DiscoveryV1().EndpointSlices("default").Create(t.Context(), &discoveryv1.EndpointSlice{
			ObjectMeta: metav1.ObjectMeta{Name: name + "-1", Labels: map[string]string{discoveryv1.LabelServiceName: name}},
			Endpoints:  []discoveryv1.Endpoint{{Addresses: []string{"10.244.0.2"}, TargetRef: target}},
		}, metav1.CreateOptions{})
		require.NoError(t, err)
	}
	pod := &corev1.ObjectReference{Kind: "Pod", Name: "rolecall"}
	service("first")
	slice("first", pod)
	require.Contains(t, s.told(t, "NotSupported"), unreachable)
	slice("second", pod)
	time.Sleep(50 * time.Millisecond)
	service("second")
	require.Contains(t, s.told(t, "NotSupported"), unreachable)
	service("server") // as that of the API server, which has no pod
	slice("server", nil)
	time.Sleep(200 * time.Millisecond)
	require.Empty(t, s.events.Events)
}

// TestWherePodsCannotListen has pods that would be asked over the network on a
// machine where they have none of their own.
func TestWherePodsCannotListen(t *testing.T) {
	port := intstr.FromInt32(80)
	for name, ask := range map[string]func(*corev1.Container){
		"http": func(c *corev1.Container) {
			c.ReadinessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Port: port}}}
		},
		"tcp": func(c *corev1.Container) {
			c.LivenessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: port}}}
		},
		"grpc": func(c *corev1.Container) {
			c.StartupProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{GRPC: &corev1.GRPCAction{Port: 80}}}
		},
		"hook": func(c *corev1.Container) {
			c.Lifecycle = &corev1.Lifecycle{PostStart: &corev1.LifecycleHandler{HTTPGet: &corev1.HTTPGetAction{Port: port}}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, &fakeSandboxes{program: sleeps, deaf: true}, labPod(func(p *corev1.Pod) { ask(&p.Spec.Containers[0]) }))
			s.until(t, "refused", waitsFor(notSupported))
			require.Contains(t, s.told(t, "NotSupported"), "nothing in a pod can listen here; a cluster made with CLUSTER=kind can")
		})
	}
	s := newStage(t, &fakeSandboxes{program: sleeps, deaf: true}, labPod(func(p *corev1.Pod) {
		p.Spec.Containers[0].ReadinessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"true"}}}}
	}))
	s.until(t, "ready", ready)
	require.ErrorContains(t, s.node.portForward(t.Context(), "default", "rolecall", 80, nil), noServers)
}

// told waits for an event with this reason and returns it.
func (s *stage) told(t *testing.T, reason string) string {
	t.Helper()
	for timeout := time.After(5 * time.Second); ; {
		select {
		case event := <-s.events.Events:
			if strings.Contains(event, " "+reason+" ") {
				return event
			}
		case <-timeout:
			t.Fatalf("no event %s", reason)
		}
	}
}

// TestPodsComeAndGo tells the node of pods in ways that only a race brings
// about.
func TestPodsComeAndGo(t *testing.T) {
	f := &fakeSandboxes{program: sleeps}
	s := newStage(t, f, labPod())
	s.until(t, "ready", ready)
	v := s.node.provider

	another := labPod(func(p *corev1.Pod) { p.UID = "5678" })
	v.sees(another) // the old one was deleted, and nobody said so
	<-s.pod.stopped
	require.Equal(t, types.UID("5678"), v.find("default", "rolecall").uid)

	now := metav1.Now()
	unknown := labPod(func(p *corev1.Pod) {
		p.Name, p.UID, p.DeletionTimestamp, p.DeletionGracePeriodSeconds = "unknown", "9", &now, new(int64(30))
	})
	_, err := s.client.CoreV1().Pods("default").Create(t.Context(), unknown, metav1.CreateOptions{})
	require.NoError(t, err)
	v.sees(unknown) // deleted before it ran
	require.Nil(t, v.find("default", "unknown"))
	require.Eventually(t, func() bool {
		_, err := s.client.CoreV1().Pods("default").Get(t.Context(), "unknown", metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	}, 5*time.Second, 10*time.Millisecond)

	v.sees(labPod(func(p *corev1.Pod) { p.Name, p.UID, p.Status.Phase = "over", "10", corev1.PodSucceeded }))
	require.Nil(t, v.find("default", "over"), "the end of a pod is not taken back")

	left := another.DeepCopy()
	left.DeletionTimestamp, left.DeletionGracePeriodSeconds = &now, new(int64(1))
	p := v.find("default", "rolecall")
	v.sees(left)
	<-p.stopped
}

// TestNodeStatusIsKept has the controller manager take the node for dead.
func TestNodeStatusIsKept(t *testing.T) {
	s := newStage(t, &fakeSandboxes{program: sleeps}, labPod())
	object := s.node.object(10250)
	dead := object.DeepCopy()
	for i := range dead.Status.Conditions {
		dead.Status.Conditions[i].Status = corev1.ConditionUnknown
	}
	nodes := s.client.CoreV1().Nodes()
	_, err := nodes.Create(t.Context(), dead, metav1.CreateOptions{})
	require.NoError(t, err)
	s.node.keepStatus(t.Context(), object)
	kept, err := nodes.Get(t.Context(), "node", metav1.GetOptions{})
	require.NoError(t, err)
	for i, condition := range kept.Status.Conditions {
		require.Equal(t, object.Status.Conditions[i].Status, condition.Status, condition.Type)
	}
}
