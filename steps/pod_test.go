package steps

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"rolecall/harness/check"
)

const goodPod = `
apiVersion: v1
kind: Pod
metadata: {name: a}
spec: {containers: [{name: shell, image: "labs.local/busybox-curl:1", command: [sleep, infinity]}]}
`

func TestPodManifest(t *testing.T) {
	e, _ := newEnv(t, podFile, goodPod)
	e.Begin("pod.manifest", nil)
	require.NoError(t, podManifest(t.Context(), e))
	e.Begin("pod.identity", []string{"pod.manifest"})
	assert.Equal(t, "a", check.Need[*unstructured.Unstructured](e, "pod.manifest").GetName())
	assert.NoError(t, podIdentity(t.Context(), e))

	for text, want := range map[string]check.Failure{
		"apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: shell\n    command: sleep infinity\n": {
			Want: "a Pod that the API server understands", Got: "command: sleep infinity, which is text where a list belongs", Hint: "`command` must be a list: [\"sleep\", \"infinity\"]", Position: check.Position{File: podFile, Line: 7, Column: 14}},
		"apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  initContainers:\n  - name: shell\n    args: -x\n": {
			Want: "a Pod that the API server understands", Got: "args: -x, which is text where a list belongs", Hint: "`args` must be a list: [\"-x\"]", Position: check.Position{File: podFile, Line: 7, Column: 11}},
		"apiVersion: apps/v1\nkind: Deployment\n": {
			Want: "exactly one object, a Pod, in the namespace default", Got: "apps/v1 Deployment",
			Hint: "Write apiVersion: v1 and kind: Pod; a Deployment makes Pods, but is not one.", Position: check.Position{File: podFile, Line: 2, Column: 7}},
	} {
		e, _ := newEnv(t, podFile, text)
		e.Begin("pod.manifest", nil)
		assert.Equal(t, want, failureOf(t, podManifest(t.Context(), e)))
	}
}

func TestPodManifestAsksTheServer(t *testing.T) {
	e, f := newEnv(t, podFile, goodPod)
	e.Begin("pod.manifest", nil)
	f.refuse(apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "a", errors.New("violates PodSecurity")))
	assert.NoError(t, podManifest(t.Context(), e), "what admission says is for another check")
	f.refuse(apierrors.NewBadRequest(`strict decoding error: unknown field "spec.x"`))
	assert.Equal(t, `strict decoding error: unknown field "spec.x"`, failureOf(t, podManifest(t.Context(), e)).Got)
	f.refuse(apierrors.NewBadRequest(`Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal number into Go struct field EnvVar.spec.containers.env.value of type string`))
	assert.Equal(t, "Put the value in quotes.", failureOf(t, podManifest(t.Context(), e)).Hint)
	f.refuse(errors.New("connection refused"))
	err := podManifest(t.Context(), e)
	_, learners := check.AsFailure(err)
	assert.False(t, learners)
	assert.ErrorContains(t, err, "connection refused")
}

func TestPodOnANodeThatIsNotHere(t *testing.T) {
	e, f := newEnv(t, podFile, goodPod)
	object := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Pod", "spec": map[string]any{"nodeName": "kind-control-plane"}}}
	_, err := startPod(t.Context(), e, object)
	assert.Equal(t, check.Failure{
		Want: "a pod that becomes Ready within 30 s",
		Got:  "spec.nodeName: kind-control-plane, a node that is not here",
		Hint: "Leave spec.nodeName out: the scheduler chooses a node.",
	}, failureOf(t, err))
	assert.Empty(t, f.dynamic.Actions(), "nothing was created")
}

func TestWhyAPodIsNotReady(t *testing.T) {
	pod := func(command ...string) *corev1.Pod {
		return &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "shell", Command: command}}}, Status: corev1.PodStatus{Phase: corev1.PodPending}}
	}
	probed := pod("sleep")
	probed.Spec.Containers[0].ReadinessProbe = &corev1.Probe{}
	for name, test := range map[string]struct {
		start     check.Start
		got, hint string
	}{
		"too much cpu":        {check.Start{Pod: pod(), Never: check.Unschedulable, Words: []string{"0/1 nodes are available: 1 Insufficient cpu."}}, "no node takes the pod: 0/1 nodes are available: 1 Insufficient cpu.", "Lower resources.requests"},
		"no claim":            {check.Start{Pod: pod(), Never: check.Unschedulable, Words: []string{`persistentvolumeclaim "data" not found`}}, `no node takes the pod: persistentvolumeclaim "data" not found`, "no such PersistentVolumeClaim"},
		"a selector":          {check.Start{Pod: pod(), Never: check.Unschedulable, Words: []string{"didn't match Pod's node affinity/selector"}}, "no node takes the pod: didn't match", "nodeSelector"},
		"one word":            {check.Start{Pod: pod("sleep infinity"), Never: "StartError", Words: []string{`exec: "sleep infinity": executable file not found in $PATH`}}, `there is no program called "sleep infinity"`, `Each word is an entry of its own: ["sleep", "infinity"]`},
		"no such program":     {check.Start{Pod: pod("slep", "infinity"), Never: "StartError", Words: []string{`exec: "slep": executable file not found in $PATH`}}, `exec: "slep": executable file not found`, "Look at command"},
		"an image":            {check.Start{Pod: pod(), Never: "ImagePullBackOff"}, "phase Pending", "Use the image labs.local/busybox-curl:1"},
		"a loop":              {check.Start{Pod: pod(), Never: "CrashLoopBackOff", Words: []string{"back-off"}}, "phase Pending", "init containers"},
		"a config map":        {check.Start{Pod: pod(), Never: "CreateContainerConfigError", Words: []string{`configmap "a" not found`}}, `configmap "a" not found`, "Leave out what the message names"},
		"a volume":            {check.Start{Pod: pod(), Words: []string{`configmap "a" not found`}}, `configmap "a" not found`, "Leave out the volume"},
		"deleted":             {check.Start{Pod: pod(), Never: check.Deleted}, "the pod was deleted", "Let nothing delete it"},
		"a probe":             {check.Start{Pod: probed}, "phase Pending", "readinessProbe"},
		"an init container's": {check.Start{Pod: pod()}, "phase Pending", "init containers"},
	} {
		t.Run(name, func(t *testing.T) {
			got, hint := whyNotReady(&check.Env{Image: Scene().Image}, test.start)
			assert.Contains(t, got, test.got)
			assert.Contains(t, hint, test.hint)
			if test.start.Never == check.Unschedulable {
				assert.NotContains(t, hint, "probe")
			}
		})
	}
}

// TestAPodThatEndsIsToldTheSame holds what a node may say of one pod that ends,
// at different moments, to one message.
func TestAPodThatEndsIsToldTheSame(t *testing.T) {
	e, _ := newEnv(t, podFile, goodPod)
	ended := &corev1.ContainerStateTerminated{ExitCode: 1, Reason: "Error"}
	for name, test := range map[string]struct {
		never string
		now   corev1.ContainerStatus
	}{
		"never Ready":         {check.Over, corev1.ContainerStatus{State: corev1.ContainerState{Terminated: ended}}},
		"Ready before":        {"", corev1.ContainerStatus{State: corev1.ContainerState{Terminated: ended}}},
		"started again":       {"", corev1.ContainerStatus{RestartCount: 1, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}, LastTerminationState: corev1.ContainerState{Terminated: ended}}},
		"to be started again": {"CrashLoopBackOff", corev1.ContainerStatus{RestartCount: 1, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}, LastTerminationState: corev1.ContainerState{Terminated: ended}}},
	} {
		test.now.Name = "shell"
		pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "shell"}}}, Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{test.now}}}
		err := notReady(e, &unstructured.Unstructured{Object: map[string]any{}}, check.Start{Pod: pod, Never: test.never})
		assert.Equal(t, check.Failure{
			Want: "a pod that becomes Ready within 30 s and keeps running",
			Got:  "container shell ended with exit status 1 (Error)",
			Hint: "Its command must keep running: choose one that waits, not one that does its work and ends.",
		}, failureOf(t, err), name)
	}
}

// TestAPodThatItsNodeEnds is told so, and not that its containers ended, which
// they do in consequence.
func TestAPodThatItsNodeEnds(t *testing.T) {
	e, _ := newEnv(t, podFile, goodPod)
	killed := corev1.ContainerStatus{Name: "shell", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "Error"}}}
	for reason, hint := range map[string]string{"DeadlineExceeded": "Leave out activeDeadlineSeconds", "Evicted": "a limit of its memory or disk"} {
		for _, statuses := range [][]corev1.ContainerStatus{nil, {killed}} {
			pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "shell"}}}, Status: corev1.PodStatus{Phase: corev1.PodFailed, Reason: reason, ContainerStatuses: statuses}}
			failure := failureOf(t, notReady(e, &unstructured.Unstructured{Object: map[string]any{}}, check.Start{Pod: pod, Never: check.Over}))
			assert.Equal(t, "its node ended it: "+reason, failure.Got)
			assert.Contains(t, failure.Hint, hint)
		}
	}
}

func TestWhereAPodIsNotReady(t *testing.T) {
	e := &check.Env{Image: "lab:1"}
	pod := func(containers ...corev1.Container) *corev1.Pod {
		return &corev1.Pod{Spec: corev1.PodSpec{Containers: containers}}
	}
	ours, another := corev1.Container{Image: "lab:1"}, corev1.Container{Image: "x"}
	pulled := ours
	pulled.ImagePullPolicy = corev1.PullAlways
	for _, test := range []struct {
		start check.Start
		field string
	}{
		{check.Start{Never: "ImagePullBackOff", Pod: pod(ours, another)}, "spec.containers[1].image"},
		{check.Start{Never: "ErrImageNeverPull", Pod: pod(pulled)}, "spec.containers[0].imagePullPolicy"},
		{check.Start{Never: "InvalidImageName", Pod: pod(ours)}, ""},
		{check.Start{Never: "StartError", Pod: pod(ours)}, "spec.containers[0].command"},
		{check.Start{Never: "StartError", Pod: pod(ours, ours)}, ""}, // either
		{check.Start{Never: check.Unschedulable, Pod: pod(ours)}, ""},
		{check.Start{Pod: pod(ours)}, ""},
	} {
		assert.Equal(t, test.field, fieldNotReady(e, test.start), test.start.Never)
	}
}

func TestToolContainer(t *testing.T) {
	e := &check.Env{Image: "lab:1"}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Image: "x"}, {Name: "b", Image: "lab:1"}}}}
	assert.Equal(t, "b", toolContainer(e, pod))
	pod.Spec.Containers = pod.Spec.Containers[:1]
	assert.Equal(t, "a", toolContainer(e, pod))
}
