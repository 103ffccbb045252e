package steps

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"rolecall/harness/check"
)

const (
	podReady = 30 * time.Second // from creation
	podStays = 2 * time.Second  // after that, without a restart
)

var becomesReady = fmt.Sprintf("a pod that becomes Ready within %g s", podReady.Seconds())

func podRunning(ctx context.Context, e *check.Env) error {
	object := check.Need[*unstructured.Unstructured](e, "pod.manifest")
	pod, err := startPod(ctx, e, object)
	if err == nil {
		pod, err = staysReady(ctx, e, object, pod)
	}
	if err != nil {
		return e.Submission.Explain(err, podFile)
	}
	e.Keep(learnerPod{object, pod, toolContainer(e, pod)})
	return nil
}

// staysReady watches a Ready pod for its two seconds, and then asks the
// container itself how long it has been running: what the node says of a pod
// can be seconds behind.
func staysReady(ctx context.Context, e *check.Env, object *unstructured.Unstructured, pod *corev1.Pod) (*corev1.Pod, error) {
	start, err := e.StaysReady(ctx, pod, podStays)
	if err != nil {
		return nil, err
	}
	if start.Ready {
		age, running, err := e.Age(ctx, start.Pod, toolContainer(e, start.Pod))
		if err != nil || running && age >= podStays {
			return start.Pod, err
		}
		if start, err = e.StaysReady(ctx, start.Pod, podReady); err != nil || start.Ready { // the node says so in the end, if it is so
			return start.Pod, err
		}
	}
	return nil, notReady(e, object, start)
}

// startPod creates the learner's pod and waits until it is Ready.
func startPod(ctx context.Context, e *check.Env, object *unstructured.Unstructured) (*corev1.Pod, error) {
	if node, _, _ := unstructured.NestedString(object.Object, "spec", "nodeName"); node != "" {
		here, err := e.HasNode(ctx, node)
		if err != nil {
			return nil, err
		}
		if !here {
			return nil, &check.Failure{Want: becomesReady, Position: e.Position(object, "spec.nodeName"), Got: "spec.nodeName: " + check.Printable(node, 100) + ", a node that is not here", Hint: "Leave spec.nodeName out: the scheduler chooses a node."}
		}
	}
	created, err := e.CreatePod(ctx, object)
	if refusal, refused := check.AsRefusal(err); refused {
		hint := "The message is the API server's; it names what it does not accept."
		if strings.Contains(refusal.Message, "violates PodSecurity") {
			hint = "The namespace enforces the Pod Security Standard baseline: drop what the message names (privileged, hostNetwork, hostPath, added capabilities, …)."
		}
		return nil, &check.Failure{Want: becomesReady, Got: refusal.Error(), Hint: hint, Position: refusal.Position}
	}
	if err != nil {
		return nil, err
	}
	start, err := e.AwaitReady(ctx, created, podReady)
	if err != nil {
		return nil, err
	}
	if start.Ready {
		return start.Pod, nil
	}
	return nil, notReady(e, object, start)
}

// notReady fails a pod that did not become Ready, or did not stay so. A pod that
// ends is told the same whether it was Ready before or not: a node may see both
// at once.
func notReady(e *check.Env, object *unstructured.Unstructured, s check.Start) error {
	for _, words := range s.Words {
		e.Saw(check.Evidence{Object: "the cluster says: " + words})
	}
	if s.Log != "" {
		e.Saw(check.Evidence{Object: "its log ends: " + s.Log})
	}
	failure := &check.Failure{Want: becomesReady}
	if reason := s.Pod.Status.Reason; reason != "" {
		failure.Got, failure.Hint = "its node ended it: "+check.Printable(reason, 100), "Leave out what the node holds the pod to: a deadline, or a limit of its memory or disk."
		if reason == "DeadlineExceeded" {
			failure.Hint, failure.Position = "Leave out activeDeadlineSeconds: when they have passed, the node ends the pod.", e.Position(object, "spec.activeDeadlineSeconds")
		}
		return failure
	}
	if i, how := check.Ended(s.Pod); how != "" {
		e.Saw(check.Evidence{Object: check.PodState(s.Pod)})
		failure.Want += " and keeps running"
		failure.Got, failure.Hint = how, "Its command must keep running: choose one that waits, not one that does its work and ends."
		failure.Position = e.Position(object, fmt.Sprintf("spec.containers[%d].command", i))
		return failure
	}
	failure.Got, failure.Hint = whyNotReady(e, s)
	if field := fieldNotReady(e, s); field != "" {
		failure.Position = e.Position(object, field)
	}
	return failure
}

// fieldNotReady is the field of a pod's manifest that keeps it from being Ready,
// where that is certain, or "".
func fieldNotReady(e *check.Env, s check.Start) string {
	containers := s.Pod.Spec.Containers
	switch {
	case strings.Contains(s.Never, "Image"):
		for i, c := range containers {
			if c.Image != e.Image {
				return fmt.Sprintf("spec.containers[%d].image", i)
			}
			if c.ImagePullPolicy == corev1.PullAlways {
				return fmt.Sprintf("spec.containers[%d].imagePullPolicy", i)
			}
		}
	case len(containers) == 1 && len(s.Pod.Spec.InitContainers) == 0 && slices.Contains([]string{check.NotStarted, check.NotRun}, s.Never):
		return "spec.containers[0].command"
	}
	return ""
}

// whyNotReady says what keeps a pod from being Ready, and one thing to try.
func whyNotReady(e *check.Env, s check.Start) (got, hint string) {
	words := strings.Join(s.Words, "; ")
	got = check.PodState(s.Pod)
	switch {
	case s.Never == check.Deleted:
		return "the pod was deleted", "Let nothing delete it: neither the pod itself nor anybody else, nor an annotation that only a node sets."
	case s.Never == check.Unschedulable:
		return "no node takes the pod: " + words, schedulingHint(words)
	case strings.Contains(s.Never, "Image"):
		return got, "Use the image " + e.Image + ": it is on the node; others cannot be pulled."
	case s.Never == check.CrashLoop, s.Never == check.Over:
		return got, "Look at its init containers: each must end with exit status 0 before the pod is Ready."
	case s.Never == check.NotConfigured:
		return got + ": " + words, "Leave out what the message names: it is not in this namespace."
	case s.Never != "":
		if command := oneWord(s.Pod); command != "" && strings.Contains(words, command) {
			list, _ := json.Marshal(strings.Fields(command))
			return fmt.Sprintf("there is no program called %q", command), "Each word is an entry of its own: " + spaced(list)
		}
		return got + ": " + words, "Look at command, args and volumes: the container cannot be started as written."
	case words != "":
		return got + ": " + words, "Leave out the volume that the message names, or use an emptyDir."
	}
	if slices.ContainsFunc(s.Pod.Spec.Containers, func(c corev1.Container) bool { return c.ReadinessProbe != nil }) {
		return got, "Look at its readinessProbe: a pod is Ready when that succeeds."
	}
	return got, "Look at its init containers and its startupProbe: they must end, and succeed, before the pod is Ready."
}

func schedulingHint(words string) string {
	switch {
	case strings.Contains(words, "Insufficient"):
		return "Lower resources.requests (and limits, which count where there are no requests), or leave them out: no node has that much."
	case strings.Contains(words, "persistentvolumeclaim"):
		return "There is no such PersistentVolumeClaim here; use an emptyDir volume, or none."
	}
	return "Leave out what restricts where it may run: nodeSelector, affinity, schedulerName, schedulingGates."
}

// oneWord is a whole command line that was written as one word of a command.
func oneWord(pod *corev1.Pod) string {
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		if command := slices.Concat(c.Command, c.Args); len(command) > 0 && len(strings.Fields(command[0])) > 1 {
			return command[0]
		}
	}
	return ""
}

// toolContainer is the first container of the lab image, or else the first.
func toolContainer(e *check.Env, pod *corev1.Pod) string {
	for _, c := range pod.Spec.Containers {
		if c.Image == e.Image {
			return c.Name
		}
	}
	return pod.Spec.Containers[0].Name
}
