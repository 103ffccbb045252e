package check

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	"rolecall/harness/next"
)

// learners is a pod of a learner's without a status.
func learners() *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "home", Name: "a", UID: "1"},
		Spec:       corev1.PodSpec{SchedulerName: corev1.DefaultSchedulerName, Containers: []corev1.Container{{Name: "c", Image: "lab:1"}}},
		Status:     corev1.PodStatus{Phase: corev1.PodPending},
	}
}

type change func(*corev1.Pod)

func ready(pod *corev1.Pod) {
	pod.Spec.NodeName = "node"
	pod.Status.Phase = corev1.PodRunning
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
}

func scheduled(pod *corev1.Pod) { pod.Spec.NodeName = "node" }

func unscheduled(pod *corev1.Pod) {
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable",
		Message: "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are available."}}
}

func waiting(reason, message string) change {
	return func(pod *corev1.Pod) {
		pod.Spec.NodeName = "node"
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "c", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}}}
	}
}

func terminated(reason string) change {
	return func(pod *corev1.Pod) {
		pod.Spec.NodeName = "node"
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "c", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: reason, ExitCode: 128, Message: "no such program"}}}}
	}
}

// lost is what a node says of a pod whose sandbox ended, and that is not
// restarted.
func lost(pod *corev1.Pod) {
	terminated("ContainerStatusUnknown")(pod)
	pod.Status.Phase = corev1.PodFailed
}

// deleted is what happens to a pod that somebody deletes.
func deleted(pod *corev1.Pod) { pod.Name = "" }

// step is a change of a pod's after some time.
type step struct {
	after time.Duration
	to    change
}

func TestAwaitReady(t *testing.T) {
	for name, test := range map[string]struct {
		steps  []step
		broken bool // the cluster runs no pod of ours
		ready  bool
		never  string
		words  []string
		took   time.Duration
		ours   bool
		fault  string // of the node's
	}{
		"ready":                       {steps: []step{{time.Second, ready}}, ready: true, took: time.Second},
		"unschedulable for a moment":  {steps: []step{{0, unscheduled}, {2 * time.Second, ready}}, ready: true, took: 2 * time.Second},
		"unschedulable":               {steps: []step{{time.Second, unscheduled}}, never: Unschedulable, words: []string{"0/1 nodes are available: 1 Insufficient cpu."}, took: 4 * time.Second},
		"a cluster that schedules no": {steps: []step{{0, unscheduled}}, broken: true, ours: true},
		"another scheduler": {steps: []step{{0, func(p *corev1.Pod) { p.Spec.SchedulerName = "mine" }}},
			never: Unschedulable, words: []string{"there is no scheduler called mine"}, took: 3 * time.Second},
		"no such program":                 {steps: []step{{time.Second, terminated("StartError")}}, never: "StartError", words: []string{"no such program"}, took: time.Second},
		"crash loop":                      {steps: []step{{0, waiting("ErrImagePull", "")}, {time.Second, waiting("CrashLoopBackOff", "back-off")}}, never: "CrashLoopBackOff", words: []string{"back-off"}, took: time.Second},
		"no such image":                   {steps: []step{{time.Second, waiting("ErrImageNeverPull", "not there")}}, never: "ErrImageNeverPull", words: []string{"not there"}, took: time.Second},
		"the lab image is not":            {steps: []step{{time.Second, waiting("ErrImageNeverPull", "not there")}}, broken: true, ours: true},
		"never ready":                     {steps: []step{{0, scheduled}}, took: 30 * time.Second},
		"a cluster that hangs":            {steps: []step{{0, scheduled}}, broken: true, ours: true},
		"what kind could":                 {steps: []step{{time.Second, waiting("NotSupported", "this node cannot give a pod 65 containers")}}, fault: "this node cannot give a pod 65 containers"},
		"a machine that lacks something":  {steps: []step{{0, waiting("NodeFailure", "no space left on device")}}, fault: "no space left on device"},
		"a machine that lacked something": {steps: []step{{0, waiting("NodeFailure", "no space left on device")}, {time.Second, ready}}, ready: true, took: time.Second},
		"a lost sandbox":                  {steps: []step{{0, lost}}, fault: "the node lost the pod"},
		"deleted":                         {steps: []step{{0, scheduled}, {time.Second, deleted}}, never: Deleted, took: time.Second},
		"deleted while waiting for a node": {steps: []step{{0, unscheduled}, {time.Second, deleted}},
			never: Deleted, words: []string{"0/1 nodes are available: 1 Insufficient cpu."}, took: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, f := newEnv(t, nil)
				if test.broken {
					f.client.PrependReactor("create", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
						return true, nil, apierrors.NewInternalError(assert.AnError)
					})
				}
				pod := learners()
				require.NoError(t, f.client.Tracker().Add(pod.DeepCopy()))
				go func() {
					now := pod.DeepCopy()
					for _, s := range test.steps {
						time.Sleep(s.after)
						s.to(now)
						if now.Name == "" {
							_ = f.client.Tracker().Delete(corev1.SchemeGroupVersion.WithResource("pods"), "home", "a")
							return
						}
						_ = f.client.Tracker().Update(corev1.SchemeGroupVersion.WithResource("pods"), now.DeepCopy(), "home")
					}
				}()
				began := time.Now()
				start, err := e.AwaitReady(t.Context(), pod, 30*time.Second)
				if test.ours {
					assert.ErrorContains(t, err, "telling a pod that does not work from a cluster that runs none")
					_, learners := AsFailure(err)
					assert.False(t, learners)
					return
				}
				if test.fault != "" {
					assert.ErrorContains(t, err, test.fault)
					_, learners := AsFailure(err)
					assert.False(t, learners)
					assert.NotEmpty(t, next.Of(err))
					return
				}
				require.NoError(t, err)
				assert.Equal(t, test.ready, start.Ready)
				assert.Equal(t, test.never, start.Never)
				assert.Equal(t, test.words, start.Words)
				assert.InDelta(t, test.took.Seconds(), time.Since(began).Seconds(), 0.5)
			})
		})
	}
}

func TestWhatThePodSaysOfVolumesIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, f := newEnv(t, nil)
		pod := learners()
		waiting("ContainerCreating", "")(pod)
		require.NoError(t, f.client.Tracker().Add(pod.DeepCopy()))
		for _, name := range []string{"1", "2"} {
			require.NoError(t, f.client.Tracker().Add(&corev1.Event{
				ObjectMeta: metav1.ObjectMeta{Namespace: "home", Name: name}, InvolvedObject: corev1.ObjectReference{UID: "1"},
				Reason: "FailedMount", Message: `configmap "settings" not found`,
			}))
		}
		start, err := e.AwaitReady(t.Context(), pod, 30*time.Second)
		require.NoError(t, err)
		assert.Equal(t, []string{`configmap "settings" not found`}, start.Words)
		assert.Equal(t, "phase Pending, container c waiting: ContainerCreating", PodState(start.Pod))
	})
}

func TestStaysReady(t *testing.T) {
	for name, test := range map[string]struct {
		then  change
		stays bool
		fault bool // of the node's
	}{
		"as it is":  {nil, true, false},
		"not ready": {func(p *corev1.Pod) { p.Status.Conditions[0].Status = corev1.ConditionFalse }, false, false},
		"a restart": {func(p *corev1.Pod) { p.Status.ContainerStatuses = []corev1.ContainerStatus{{RestartCount: 1}} }, false, false},
		"a lost sandbox": {func(p *corev1.Pod) {
			terminated("ContainerStatusUnknown")(p)
			p.Status.ContainerStatuses[0].RestartCount = 1
		}, false, true},
		"is deleted":  {deleted, false, false},
		"other words": {func(p *corev1.Pod) { p.Labels = map[string]string{"a": "b"} }, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, f := newEnv(t, nil)
				pod := learners()
				ready(pod)
				require.NoError(t, f.client.Tracker().Add(pod.DeepCopy()))
				go func() {
					time.Sleep(time.Second)
					if test.then == nil {
						return
					}
					now := pod.DeepCopy()
					if test.then(now); now.Name == "" {
						_ = f.client.Tracker().Delete(corev1.SchemeGroupVersion.WithResource("pods"), "home", "a")
						return
					}
					_ = f.client.Tracker().Update(corev1.SchemeGroupVersion.WithResource("pods"), now, "home")
				}()
				start, err := e.StaysReady(t.Context(), pod, 2*time.Second)
				if test.fault {
					assert.ErrorContains(t, err, "the node lost the pod")
					return
				}
				require.NoError(t, err)
				assert.Equal(t, test.stays, start.Ready)
				assert.Equal(t, name == "is deleted", start.Never == Deleted)
			})
		})
	}
}

func TestEnded(t *testing.T) {
	pod := learners()
	for name, test := range map[string]struct {
		to  change
		how string
	}{
		"it runs":                 {ready, ""},
		"it ended":                {terminated("Completed"), "container c ended with exit status 128 (Completed)"},
		"it never ran":            {terminated("StartError"), ""},
		"it waits to be started":  {waiting("CrashLoopBackOff", ""), ""},
		"an init container ended": {func(p *corev1.Pod) { terminated("Error")(p); p.Status.ContainerStatuses[0].Name = "init" }, ""},
		"it was started again": {func(p *corev1.Pod) {
			terminated("Error")(p)
			s := &p.Status.ContainerStatuses[0]
			s.LastTerminationState, s.State = s.State, corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
		}, "container c ended with exit status 128 (Error)"},
	} {
		now := pod.DeepCopy()
		test.to(now)
		_, how := Ended(now)
		assert.Equal(t, test.how, how, name)
	}
}

// TestControlNeedsNothingOfThePodsRoom shows that no request of a learner's pod
// keeps the control sample from running.
func TestControlNeedsNothingOfThePodsRoom(t *testing.T) {
	e, f := newEnv(t, nil)
	require.NoError(t, e.CanRunPods(t.Context(), "node"))
	pods, err := f.client.CoreV1().Pods("home").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	spec := pods.Items[0].Spec
	assert.Equal(t, "node", spec.NodeName)
	assert.True(t, spec.Containers[0].Resources.Requests.Cpu().IsZero())
	assert.True(t, spec.Containers[0].Resources.Requests.Memory().IsZero())
	assert.Contains(t, spec.Containers[0].Resources.Requests, corev1.ResourceCPU, "or the limit counts as one")
}

func TestHasNode(t *testing.T) {
	e, _ := newEnv(t, nil)
	for name, want := range map[string]bool{"node": true, "kind-control-plane": false, "a/b": false} {
		has, err := e.HasNode(t.Context(), name)
		require.NoError(t, err)
		assert.Equal(t, want, has, name)
	}
}

func TestWhyNothingRunsInAPod(t *testing.T) {
	e, f := newEnv(t, nil)
	pod := learners()
	require.NoError(t, f.client.Tracker().Add(pod))
	assert.Equal(t, "more than 1048576 bytes of output", e.whyNot(t.Context(), pod, "cat", errOutputTooLong))
	assert.Equal(t, "a command that had not ended after 12s", e.whyNot(t.Context(), pod, "cat", context.DeadlineExceeded))
	assert.Equal(t, "a container in which nothing can be started", e.whyNot(t.Context(), pod, "cat", assert.AnError))
	another := pod.DeepCopy()
	another.UID = "2"
	assert.Equal(t, "the pod was deleted", e.whyNot(t.Context(), another, "cat", assert.AnError))
}

func TestAgeOf(t *testing.T) {
	const stat = "1 (a (b) c) S 0 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 9500 4460544 228\n"
	age, err := ageOf("100.50 190.00\n" + stat)
	require.NoError(t, err)
	assert.Equal(t, 5500*time.Millisecond, age)
	for _, broken := range []string{"", "100.50 190.00\n", "x\n" + stat, "100.5 1\n1 (a) S 0"} {
		_, err := ageOf(broken)
		assert.Error(t, err, broken)
	}
}

func TestNeverIsOnlyWhatWaitingDoesNotChange(t *testing.T) {
	for reason, want := range map[string]bool{"ContainerCreating": false, "PodInitializing": false, "ErrImagePull": false, "ImagePullBackOff": true, "CrashLoopBackOff": true} {
		pod := learners()
		waiting(reason, "")(pod)
		assert.Equal(t, want, never(pod) != "", reason)
	}
	assert.NotEmpty(t, never(&corev1.Pod{Status: corev1.PodStatus{Phase: corev1.PodSucceeded}}))
	assert.Empty(t, never(&corev1.Pod{Status: corev1.PodStatus{Phase: corev1.PodRunning}}))
}
