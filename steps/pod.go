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
	"k8s.io/apimachinery/pkg/runtime/schema"

	"rolecall/harness"
	"rolecall/harness/check"
)

const (
	podReady = 30 * time.Second // from creation
	podStays = 2 * time.Second  // after that, without a restart
)

// Pod is lab 1: a pod that keeps running, and what the API server says to a
// caller without a token.
func Pod() harness.Lab {
	return harness.Lab{
		Slug: "pod", Number: 1, Title: "Running a pod and calling without a credential",
		Files:   []check.File{{Name: "pod.yaml", Form: check.ManifestFile}},
		Objects: []schema.GroupVersionKind{podKind},
		Checks: []harness.Check{
			{ID: "pod.manifest", Points: 3, Run: podManifest,
				Desc: "pod.yaml is exactly one Pod for the namespace default, with known fields and no duplicate key"},
			{ID: "pod.identity", Points: 3, Run: podIdentity, Needs: []string{"pod.manifest"},
				Desc: "it runs as the service account default"},
			{ID: "pod.running", Points: 4, Run: podRunning, Needs: []string{"pod.manifest", "pod.identity"},
				Desc: "it becomes Ready within 30 s and is still running, without restarts, 2 s later"},
			{ID: "pod.tools", Points: 3, Run: podTools, Needs: []string{"pod.running"},
				Desc: "sh and curl run in it"},
			{ID: "pod.token-mounted", Points: 3, Run: podTokenMounted, Needs: []string{"pod.tools"},
				Desc: "token, ca.crt and namespace are at the standard path, and the token is bound to this very pod"},
			{ID: "pod.unauthenticated", Points: 4, Run: podUnauthenticated, Needs: []string{"pod.tools"},
				Desc: "curl without a token reaches the API server by its in-cluster name and is denied as system:anonymous"},
		},
	}
}

const podFile = "lab-1/pod.yaml"

// learnerPod is the learner's pod, running.
type learnerPod struct {
	object    *unstructured.Unstructured // as it was created
	pod       *corev1.Pod
	container string // whose tools the checks use
}

func podManifest(ctx context.Context, e *check.Env) error {
	object, err := onePod(ctx, e, podFile)
	if err != nil {
		return err
	}
	e.Keep(object)
	return nil // what admission says of it is for the checks below
}

// onePod reads a manifest that holds exactly one Pod. What admission would say
// of it is not asked here.
func onePod(ctx context.Context, e *check.Env, file string) (*unstructured.Unstructured, error) {
	objects, err := e.Objects(ctx, check.Wanted{
		File: file, Want: "exactly one object, a Pod, in the namespace default",
		One: true, Kinds: []schema.GroupVersionKind{podKind}, Namespaces: home(e),
		Hint: "Write apiVersion: v1 and kind: Pod; a Deployment makes Pods, but is not one.",
	})
	if err != nil {
		return nil, err
	}
	object := objects[0]
	want := "a Pod that the API server understands"
	if where, field, text := commandAsText(object); field != "" {
		words, _ := json.Marshal(strings.Fields(text))
		return nil, &check.Failure{Want: want, Got: field + ": " + check.Printable(text, 200) + ", which is text where a list belongs", Hint: fmt.Sprintf("`%s` must be a list: %s", field, spaced(words)),
			Position: e.Position(object, where)}
	}
	err = e.DryRun(ctx, object)
	if refusal, refused := check.AsRefusal(err); refused && !refusal.Admission {
		return nil, &check.Failure{Want: want, Got: refusal.Message, Hint: fieldHint(refusal.Message), Position: refusal.Position}
	} else if !refused && err != nil {
		return nil, err
	}
	return object, nil
}

// home are the learner's namespace as a learner writes it, and as it is called
// here.
func home(e *check.Env) map[string]string {
	return map[string]string{Scene().Namespaces.Home(): e.Namespaces.Of(Home)}
}

// commandAsText is the first command or args of a container that is a string
// where it must be a list, and its path.
func commandAsText(object *unstructured.Unstructured) (where, field, text string) {
	for _, list := range []string{"initContainers", "containers"} {
		containers, _, _ := unstructured.NestedSlice(object.Object, "spec", list)
		for i, container := range containers {
			fields, _ := container.(map[string]any)
			for _, field := range []string{"command", "args"} {
				if text, isText := fields[field].(string); isText {
					return fmt.Sprintf("spec.%s[%d].%s", list, i, field), field, text
				}
			}
		}
	}
	return "", "", ""
}

// spaced is a JSON list as people write one.
func spaced(list []byte) string { return strings.ReplaceAll(string(list), `","`, `", "`) }

func fieldHint(message string) string {
	if strings.Contains(message, "unknown field") {
		return "The message names the field as you wrote it; compare its spelling and its indentation with make kubectl ARGS=\"explain pod.spec\"."
	}
	if strings.HasSuffix(message, "a number where a string belongs") || strings.HasSuffix(message, "true or false where a string belongs") {
		return "Put the value in quotes."
	}
	if strings.HasSuffix(message, "a map where a list belongs") {
		return "Begin each entry of a list with a dash, as in - name: shell."
	}
	return "The message names the field and what is wrong with it."
}

func podIdentity(_ context.Context, e *check.Env) error {
	object := check.Need[*unstructured.Unstructured](e, "pod.manifest")
	for _, field := range []string{"serviceAccountName", "serviceAccount"} {
		name, found, _ := unstructured.NestedString(object.Object, "spec", field)
		if found && name != "" && name != "default" {
			return &check.Failure{
				Want: "a pod that runs as the service account default",
				Got:  fmt.Sprintf("spec.%s: %s", field, check.Printable(name, 100)),
				Hint: "Leave spec." + field + " out: a pod that names no account runs as default.",

				Position: e.Position(object, "spec."+field),
			}
		}
	}
	return nil
}

func podRunning(ctx context.Context, e *check.Env) error {
	object := check.Need[*unstructured.Unstructured](e, "pod.manifest")
	pod, err := startPod(ctx, e, object)
	stays := true
	if err == nil {
		pod, stays, err = staysReady(ctx, e, pod)
	}
	if err != nil {
		return e.Submission.Explain(err, podFile)
	}
	if !stays {
		e.Saw(check.Evidence{Object: check.PodState(pod)})
		return e.Submission.Explain(&check.Failure{
			Want: fmt.Sprintf("a pod that is still running, without restarts, %g s after it became Ready", podStays.Seconds()),
			Got:  "a pod that was Ready and then stopped running",
			Hint: "Its command must keep running: choose one that waits, not one that does its work and ends.",

			Position: e.Position(object, "spec.containers[0].command"),
		}, podFile)
	}
	e.Keep(learnerPod{object, pod, toolContainer(e, pod)})
	return nil
}

// staysReady watches a Ready pod for its two seconds, and then asks the
// container itself how long it has been running: what the node says of a pod
// can be seconds behind.
func staysReady(ctx context.Context, e *check.Env, pod *corev1.Pod) (*corev1.Pod, bool, error) {
	later, stays, err := e.StaysReady(ctx, pod, podStays)
	if err != nil || !stays {
		return later, stays, err
	}
	age, running, err := e.Age(ctx, later, toolContainer(e, later))
	if err != nil || running && age >= podStays {
		return later, true, err
	}
	return e.StaysReady(ctx, later, podReady) // the node says so in the end, if it is so
}

// startPod creates the learner's pod and waits until it is Ready.
func startPod(ctx context.Context, e *check.Env, object *unstructured.Unstructured) (*corev1.Pod, error) {
	want := fmt.Sprintf("a pod that becomes Ready within %g s", podReady.Seconds())
	if node, _, _ := unstructured.NestedString(object.Object, "spec", "nodeName"); node != "" {
		here, err := e.HasNode(ctx, node)
		if err != nil {
			return nil, err
		}
		if !here {
			return nil, &check.Failure{Want: want, Position: e.Position(object, "spec.nodeName"), Got: "spec.nodeName: " + check.Printable(node, 100) + ", a node that is not here", Hint: "Leave spec.nodeName out: the scheduler chooses a node."}
		}
	}
	created, err := e.CreatePod(ctx, object)
	if refusal, refused := check.AsRefusal(err); refused {
		hint := "The message is the API server's; it names what it does not accept."
		if strings.Contains(refusal.Message, "violates PodSecurity") {
			hint = "The namespace enforces the Pod Security Standard baseline: drop what the message names (privileged, hostNetwork, hostPath, added capabilities, …)."
		}
		return nil, &check.Failure{Want: want, Got: refusal.Error(), Hint: hint, Position: refusal.Position}
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
	for _, words := range start.Words {
		e.Saw(check.Evidence{Object: "the cluster says: " + words})
	}
	if start.Log != "" {
		e.Saw(check.Evidence{Object: "its log ends: " + start.Log})
	}
	got, hint := whyNotReady(e, start)
	failure := &check.Failure{Want: want, Got: got, Hint: hint}
	if field := fieldNotReady(e, start); field != "" {
		failure.Position = e.Position(object, field)
	}
	return nil, failure
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
	case len(containers) == 1 && len(s.Pod.Spec.InitContainers) == 0 && slices.Contains([]string{"CrashLoopBackOff", "Ended", "StartError", "RunContainerError"}, s.Never):
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
		return "the pod was deleted while it was starting", "Let nothing delete it: neither the pod itself nor anybody else, nor an annotation that only a node sets."
	case s.Never == check.Unschedulable:
		return "no node takes the pod: " + words, schedulingHint(words)
	case strings.Contains(s.Never, "Image"):
		return got, "Use the image " + e.Image + ": it is on the node; others cannot be pulled."
	case s.Never == "CrashLoopBackOff", s.Never == "Ended":
		return got, "Its command must keep running: choose one that waits, not one that does its work and ends."
	case s.Never == "CreateContainerConfigError":
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
