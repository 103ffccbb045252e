package node

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"rolecall.build/machine/sandbox"
)

func ready(s corev1.PodStatus) bool {
	for _, c := range s.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func waitsFor(reason string) func(corev1.PodStatus) bool {
	return func(s corev1.PodStatus) bool {
		w := s.ContainerStatuses[0].State.Waiting
		return w != nil && w.Reason == reason
	}
}

func TestPodRuns(t *testing.T) {
	s := newStage(t, &fakeSandboxes{program: sleeps}, labPod())
	status := s.until(t, "ready", ready)
	require.Equal(t, corev1.PodRunning, status.Phase)
	require.Equal(t, "10.244.0.2", status.PodIP)
	c := status.ContainerStatuses[0]
	require.NotNil(t, c.State.Running)
	require.True(t, c.Ready)
	require.True(t, *c.Started)
	require.Regexp(t, "^sandbox://[0-9a-f]{64}$", c.ContainerID)
	require.Equal(t, "sha256:1", c.ImageID)
	for _, event := range []string{
		`Normal Pulled Container image "labs.local/busybox-curl:1" already present on machine`,
		"Normal Created Container created", "Normal Started Container started",
	} {
		require.Equal(t, event, <-s.events.Events)
	}
}

func TestPodCompletes(t *testing.T) {
	s := newStage(t, &fakeSandboxes{program: ends(0)}, labPod(func(p *corev1.Pod) { p.Spec.RestartPolicy = corev1.RestartPolicyNever }))
	status := s.until(t, "succeeded", func(s corev1.PodStatus) bool { return s.Phase == corev1.PodSucceeded })
	require.Equal(t, "Completed", status.ContainerStatuses[0].State.Terminated.Reason)
}

func TestPodFails(t *testing.T) {
	f := &fakeSandboxes{program: ends(3), message: "last words"}
	s := newStage(t, f, labPod(func(p *corev1.Pod) { p.Spec.RestartPolicy = corev1.RestartPolicyNever }))
	status := s.until(t, "failed", func(s corev1.PodStatus) bool { return s.Phase == corev1.PodFailed })
	terminated := status.ContainerStatuses[0].State.Terminated
	require.Equal(t, "Error", terminated.Reason)
	require.Equal(t, int32(3), terminated.ExitCode)
	require.Equal(t, "last words", terminated.Message)
}

func TestCrashLoop(t *testing.T) {
	s := newStage(t, &fakeSandboxes{program: ends(1)}, labPod())
	status := s.until(t, "CrashLoopBackOff", waitsFor("CrashLoopBackOff"))
	c := status.ContainerStatuses[0]
	require.Equal(t, corev1.PodRunning, status.Phase)
	require.Equal(t, int32(1), c.RestartCount)
	require.Equal(t, "back-off 10s restarting failed container=shell pod=rolecall_default(1234)", c.State.Waiting.Message)
	require.Equal(t, int32(1), c.LastTerminationState.Terminated.ExitCode)
}

func TestCommandThatCannotStart(t *testing.T) {
	f := &fakeSandboxes{refuse: func(sandbox.ContainerSpec) error {
		return &sandbox.StartError{Code: 127, Message: `exec: "sleep infinity": executable file not found in $PATH`}
	}}
	s := newStage(t, f, labPod())
	status := s.until(t, "RunContainerError", waitsFor("RunContainerError"))
	require.Contains(t, status.ContainerStatuses[0].State.Waiting.Message, `exec: "sleep infinity": executable file not found in $PATH`)
	require.Equal(t, int32(128), status.ContainerStatuses[0].LastTerminationState.Terminated.ExitCode)
	require.Equal(t, "StartError", status.ContainerStatuses[0].LastTerminationState.Terminated.Reason)
	s.until(t, "CrashLoopBackOff", waitsFor("CrashLoopBackOff"))
}

func TestImages(t *testing.T) {
	for name, test := range map[string]struct {
		image   string
		policy  corev1.PullPolicy
		reasons []string
	}{
		"not there":      {"labs.local/busybox-curl:2", corev1.PullIfNotPresent, []string{"ErrImagePull", "ImagePullBackOff"}},
		"always pulled":  {labImage, corev1.PullAlways, []string{"ErrImagePull", "ImagePullBackOff"}},
		"never pulled":   {"busybox", corev1.PullNever, []string{"ErrImageNeverPull"}},
		"no such a name": {"Not A Name", corev1.PullIfNotPresent, []string{"InvalidImageName"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, &fakeSandboxes{}, labPod(func(p *corev1.Pod) {
				p.Spec.Containers[0].Image, p.Spec.Containers[0].ImagePullPolicy = test.image, test.policy
			}))
			for _, reason := range test.reasons {
				require.Equal(t, corev1.PodPending, s.until(t, reason, waitsFor(reason)).Phase)
			}
		})
	}
}

func TestMissingConfigMapInEnvironment(t *testing.T) {
	s := newStage(t, &fakeSandboxes{program: sleeps}, labPod(func(p *corev1.Pod) {
		p.Spec.Containers[0].EnvFrom = []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}}}}
	}))
	status := s.until(t, "CreateContainerConfigError", waitsFor("CreateContainerConfigError"))
	require.Contains(t, status.ContainerStatuses[0].State.Waiting.Message, `configmap "settings" not found`)
	_, err := s.client.CoreV1().ConfigMaps("default").Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "settings", Namespace: "default"}}, metav1.CreateOptions{})
	require.NoError(t, err)
	s.until(t, "ready", ready)
}

func TestInitContainers(t *testing.T) {
	f := &fakeSandboxes{program: func(spec sandbox.ContainerSpec, signals <-chan syscall.Signal) sandbox.Exit {
		if spec.Name == "greet" {
			return sandbox.Exit{}
		}
		return sleeps(spec, signals)
	}}
	always := corev1.ContainerRestartPolicyAlways
	s := newStage(t, f, labPod(func(p *corev1.Pod) {
		greet, beside := *p.Spec.Containers[0].DeepCopy(), *p.Spec.Containers[0].DeepCopy()
		greet.Name, beside.Name, beside.RestartPolicy = "greet", "beside", &always
		p.Spec.InitContainers = []corev1.Container{greet, beside}
	}))
	status := s.until(t, "ready", ready)
	require.Equal(t, "Completed", status.InitContainerStatuses[0].State.Terminated.Reason)
	require.NotNil(t, status.InitContainerStatuses[1].State.Running)
	var order []string
	for _, run := range f.runs {
		order = append(order, run.Name)
	}
	require.Equal(t, []string{"greet", "beside", "shell"}, order)
}

func TestInitContainerFailsForGood(t *testing.T) {
	s := newStage(t, &fakeSandboxes{program: ends(1)}, labPod(func(p *corev1.Pod) {
		p.Spec.RestartPolicy = corev1.RestartPolicyNever
		p.Spec.InitContainers = p.Spec.Containers
		p.Spec.Containers = []corev1.Container{*p.Spec.Containers[0].DeepCopy()}
		p.Spec.Containers[0].Name = "app"
	}))
	s.until(t, "failed", func(s corev1.PodStatus) bool { return s.Phase == corev1.PodFailed })
}

func TestDeadline(t *testing.T) {
	s := newStage(t, &fakeSandboxes{program: sleeps}, labPod(func(p *corev1.Pod) { p.Spec.ActiveDeadlineSeconds = new(int64(1)) }))
	status := s.until(t, "failed", func(s corev1.PodStatus) bool { return s.Phase == corev1.PodFailed })
	require.Equal(t, "DeadlineExceeded", status.Reason)
}

func TestStoppedWithTheRightSignals(t *testing.T) {
	var got []syscall.Signal
	f := &fakeSandboxes{program: func(_ sandbox.ContainerSpec, signals <-chan syscall.Signal) sandbox.Exit {
		for s := range signals {
			if got = append(got, s); s == syscall.SIGKILL {
				return sandbox.Exit{Code: 137, Signal: s}
			}
		}
		return sandbox.Exit{}
	}}
	s := newStage(t, f, labPod())
	s.until(t, "ready", ready)
	s.pod.depart(1)
	<-s.pod.stopped
	require.Equal(t, []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL}, got)
	require.Equal(t, int32(137), s.pod.status().ContainerStatuses[0].State.Terminated.ExitCode)
}

func TestRefusals(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*corev1.Pod)
		says   string
	}{
		"host network": {func(p *corev1.Pod) { p.Spec.HostNetwork = true }, "hostNetwork"},
		"host path": {func(p *corev1.Pod) {
			p.Spec.Volumes = []corev1.Volume{{Name: "node", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/"}}}}
		}, "hostPath"},
		"privileged": {func(p *corev1.Pod) {
			p.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{Privileged: new(true)}
		}, "privileged"},
		"claim": {func(p *corev1.Pod) {
			p.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"}}}}
		}, "persistent storage"},
		"app armor": {func(p *corev1.Pod) {
			p.Spec.SecurityContext = &corev1.PodSecurityContext{AppArmorProfile: &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeRuntimeDefault}}
		}, "AppArmor"},
		"app armor of a container": {func(p *corev1.Pod) {
			p.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{AppArmorProfile: &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeLocalhost}}
		}, "AppArmor"},
		"probe of another host": {func(p *corev1.Pod) {
			p.Spec.Containers[0].LivenessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Host: "192.168.0.1", Port: intstr.FromInt32(80)}}}
		}, "host 192.168.0.1"},
		"hook that calls another host": {func(p *corev1.Pod) {
			p.Spec.Containers[0].Lifecycle = &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{HTTPGet: &corev1.HTTPGetAction{Host: "localhost", Port: intstr.FromInt32(80)}}}
		}, "host localhost"},
		"host port": {func(p *corev1.Pod) { p.Spec.Containers[0].Ports = []corev1.ContainerPort{{HostPort: 80}} }, "hostPort"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, &fakeSandboxes{}, labPod(test.change))
			status := s.until(t, "refused", waitsFor("NotSupported"))
			require.Equal(t, corev1.PodPending, status.Phase)
			event := <-s.events.Events
			require.Contains(t, event, test.says)
			require.Contains(t, event, "CLUSTER=kind can")
		})
	}
}

func TestUnconfinedContainersHaveAFilterToo(t *testing.T) {
	unconfined := &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeUnconfined}
	s := newStage(t, &fakeSandboxes{program: sleeps}, labPod(func(p *corev1.Pod) {
		p.Spec.SecurityContext = &corev1.PodSecurityContext{SeccompProfile: unconfined}
	}))
	s.until(t, "ready", ready)
	<-s.events.Events // Pulled
	require.Contains(t, <-s.events.Events, "RuntimeDefault")
}
