package node

import (
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clienttesting "k8s.io/client-go/testing"

	"rolecall.build/machine/sandbox"
)

func restarts(policy corev1.RestartPolicy) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Spec.RestartPolicy = policy }
}

// faults are what a machine lacks while it has no resources, three times each.
func faults() map[string]*fakeSandboxes {
	count := 0
	lacking := func(err error) error {
		if count++; count <= 2 {
			return err
		}
		return nil
	}
	return map[string]*fakeSandboxes{
		"no descriptors for the container": {program: sleeps, refuse: func(sandbox.ContainerSpec) error {
			return lacking(fmt.Errorf("running the container shell: %w", syscall.EMFILE))
		}},
		"no descriptors for the sandbox": {program: sleeps, started: func(*fakePod) error {
			return lacking(fmt.Errorf("making a socket pair: %w", syscall.EMFILE))
		}},
		"a control group that fails": {program: sleeps, refuse: func(sandbox.ContainerSpec) error {
			return lacking(errors.New("making a cgroup: too many open files"))
		}},
		"a volume that cannot be made": {program: sleeps, setVolume: func(*fakePod) error {
			return lacking(errors.New("writing the volume data: too many open files"))
		}},
	}
}

// TestMachinesFaultsAreNotThePods has the machine lack something for a while.
func TestMachinesFaultsAreNotThePods(t *testing.T) {
	for name := range faults() {
		t.Run(name, func(t *testing.T) {
			f := faults()[name]
			s := newStage(t, f, labPod(restarts(corev1.RestartPolicyNever), func(p *corev1.Pod) {
				p.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
			}))
			status := s.until(t, "NodeFailure", waitsFor("NodeFailure"))
			assert.Equal(t, corev1.PodPending, status.Phase)
			assert.Contains(t, status.ContainerStatuses[0].State.Waiting.Message, "too many open files")
			status = s.until(t, "ready", ready)
			assert.Zero(t, status.ContainerStatuses[0].RestartCount, "it had not been started")
			assert.Nil(t, status.ContainerStatuses[0].LastTerminationState.Terminated)
		})
	}
}

// TestPodsFaultsAreNotTheMachines has a pod ask for a sandbox and a volume that
// no machine can make: a kubelet says so in an event.
func TestPodsFaultsAreNotTheMachines(t *testing.T) {
	its := &sandbox.StartError{Code: 128, Message: "setting the sysctl net.ipv4.tcp_rmem: invalid argument"}
	for name, f := range map[string]*fakeSandboxes{
		"FailedCreatePodSandBox": {started: func(*fakePod) error { return fmt.Errorf("starting the pod: %w", its) }},
		"FailedMount":            {setVolume: func(*fakePod) error { return fmt.Errorf("making a volume: %w", its) }},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, f, labPod(func(p *corev1.Pod) {
				p.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
			}))
			event := <-s.events.Events
			assert.Contains(t, event, name)
			assert.Contains(t, event, its.Message)
			time.Sleep(50 * time.Millisecond)
			assert.True(t, waitsFor("ContainerCreating")(s.pod.status()))
		})
	}
}

// TestWhatKindCanIsNotThePods has a container ask for what this machine has not.
func TestWhatKindCanIsNotThePods(t *testing.T) {
	f := &fakeSandboxes{refuse: func(sandbox.ContainerSpec) error {
		return fmt.Errorf("running the container shell: %w", &sandbox.NotSupportedError{Message: "the emptyDir volume data is mounted more than once"})
	}}
	s := newStage(t, f, labPod())
	status := s.until(t, "NotSupported", waitsFor("NotSupported"))
	assert.Equal(t, "the emptyDir volume data is mounted more than once; a cluster made with CLUSTER=kind can", status.ContainerStatuses[0].State.Waiting.Message)
	assert.Nil(t, status.ContainerStatuses[0].LastTerminationState.Terminated)
}

// TestSandboxIsReplaced ends a pod's sandbox under it.
func TestSandboxIsReplaced(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	for _, policy := range []corev1.RestartPolicy{corev1.RestartPolicyAlways, corev1.RestartPolicyOnFailure} {
		t.Run(string(policy), func(t *testing.T) {
			sandboxes := make(chan *fakePod, 9)
			f := &fakeSandboxes{
				started: func(p *fakePod) error { sandboxes <- p; return nil },
				program: func(spec sandbox.ContainerSpec, signals <-chan syscall.Signal) sandbox.Exit {
					if spec.Name == "greet" || spec.Name == "done" {
						return sandbox.Exit{}
					}
					return sleeps(spec, signals)
				},
			}
			s := newStage(t, f, labPod(restarts(policy), func(p *corev1.Pod) {
				named := func(name string) corev1.Container {
					c := *p.Spec.Containers[0].DeepCopy()
					c.Name = name
					return c
				}
				beside := named("beside")
				beside.RestartPolicy = &always
				p.Spec.InitContainers = []corev1.Container{named("greet"), beside}
				if policy == corev1.RestartPolicyOnFailure {
					p.Spec.Containers = append(p.Spec.Containers, named("done"))
				}
			}))
			runs := func(s corev1.PodStatus) bool {
				for _, c := range s.ContainerStatuses[1:] {
					if c.State.Terminated == nil {
						return false
					}
				}
				return s.ContainerStatuses[0].State.Running != nil && s.InitContainerStatuses[1].State.Running != nil
			}
			before := s.until(t, "running", runs)
			require.NoError(t, (<-sandboxes).Close())
			status := s.until(t, "running again", func(s corev1.PodStatus) bool { return runs(s) && s.ContainerStatuses[0].RestartCount == 1 })
			assert.Equal(t, before.PodIP, status.PodIP)
			last := status.ContainerStatuses[0].LastTerminationState.Terminated
			require.NotNil(t, last)
			assert.Equal(t, "ContainerStatusUnknown", last.Reason)
			assert.Equal(t, int32(137), last.ExitCode)
			assert.Equal(t, corev1.PodRunning, status.Phase)
			assert.Equal(t, int32(1), status.InitContainerStatuses[0].RestartCount, "init containers run again")
			for _, c := range status.ContainerStatuses[1:] {
				assert.Zero(t, c.RestartCount, "it had succeeded")
			}
			assert.Contains(t, s.recorded(), "Normal SandboxChanged Pod sandbox changed, it will be killed and re-created.")
		})
	}
}

// TestSandboxEndsBeforeTheContainerRuns ends a sandbox while its container is
// started: it has not run, so the next start is no restart.
func TestSandboxEndsBeforeTheContainerRuns(t *testing.T) {
	sandboxes := make(chan *fakePod, 9)
	f := &fakeSandboxes{program: sleeps, started: func(p *fakePod) error { sandboxes <- p; return nil }}
	ended := false
	f.refuse = func(sandbox.ContainerSpec) error {
		if ended {
			return nil
		}
		ended = true
		return errors.Join(sandbox.ErrGone, (<-sandboxes).Close())
	}
	s := newStage(t, f, labPod())
	status := s.until(t, "ready", ready)
	assert.Zero(t, status.ContainerStatuses[0].RestartCount)
	assert.Nil(t, status.ContainerStatuses[0].LastTerminationState.Terminated)
}

// recorded are the events so far.
func (s *stage) recorded() (events []string) {
	for {
		select {
		case event := <-s.events.Events:
			events = append(events, event)
		default:
			return events
		}
	}
}

// TestSandboxIsNotReplaced ends a sandbox whose pod is never restarted.
func TestSandboxIsNotReplaced(t *testing.T) {
	sandboxes := make(chan *fakePod, 9)
	f := &fakeSandboxes{program: sleeps, started: func(p *fakePod) error { sandboxes <- p; return nil }}
	s := newStage(t, f, labPod(restarts(corev1.RestartPolicyNever)))
	s.until(t, "ready", ready)
	require.NoError(t, (<-sandboxes).Close())
	status := s.until(t, "failed", func(s corev1.PodStatus) bool { return s.Phase == corev1.PodFailed && s.Reason == "SandboxChanged" })
	assert.Equal(t, "ContainerStatusUnknown", status.ContainerStatuses[0].State.Terminated.Reason)
	assert.Empty(t, sandboxes)
}

// TestStuckAgentDoesNotKeepThePod has an agent that does not answer any more
// while its pod leaves.
func TestStuckAgentDoesNotKeepThePod(t *testing.T) {
	for name, f := range map[string]*fakeSandboxes{
		"a process that cannot be killed": {program: func(sandbox.ContainerSpec, <-chan syscall.Signal) sandbox.Exit { select {} }},
		"a volume that is never made":     {setVolume: func(p *fakePod) error { <-p.done; return sandbox.ErrGone }},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, f, labPod())
			if f.program != nil {
				s.until(t, "ready", ready)
			} else {
				s.until(t, "created", func(s corev1.PodStatus) bool { return s.ContainerStatuses[0].ContainerID != "" })
			}
			began := time.Now()
			s.pod.depart(time.Second)
			<-s.pod.stopped
			assert.Less(t, time.Since(began), minimumGrace+overdue+500*time.Millisecond)
		})
	}
}

// TestEphemeralContainersOfLeavingPods adds some while the pod leaves: none may
// start once the others are waited for.
func TestEphemeralContainersOfLeavingPods(t *testing.T) {
	for range 50 {
		s := newStage(t, &fakeSandboxes{program: sleeps}, labPod())
		s.until(t, "ready", ready)
		api := s.pod.object().DeepCopy()
		added := make(chan struct{})
		go func() {
			defer close(added)
			for i := range 20 {
				api := api.DeepCopy()
				for j := range i {
					api.Spec.EphemeralContainers = append(api.Spec.EphemeralContainers, corev1.EphemeralContainer{
						EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: fmt.Sprint("debug-", j), Image: labImage, ImagePullPolicy: corev1.PullIfNotPresent},
					})
				}
				s.node.provider.update(s.pod, api)
			}
		}()
		s.pod.depart(0)
		<-s.pod.stopped
		<-added
	}
}

// TestRefusedStatusIsNotSentWithoutEnd has the API server refuse a status.
func TestRefusedStatusIsNotSentWithoutEnd(t *testing.T) {
	s := newStage(t, &fakeSandboxes{program: sleeps}, labPod())
	s.until(t, "ready", ready)
	require.NoError(t, s.wide.Core().V1().Pods().Informer().GetIndexer().Add(s.pod.object()))
	sent := 0
	s.client.PrependReactor("patch", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		sent++
		return true, nil, apierrors.NewInvalid(schema.GroupKind{Kind: "Pod"}, "rolecall", nil)
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.pod.publish()
	}()
	time.Sleep(3 * time.Second)
	s.pod.vanish()
	<-done
	assert.LessOrEqual(t, sent, 7, "in three seconds")
	assert.Greater(t, sent, 2)
}
