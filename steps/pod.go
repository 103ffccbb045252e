package steps

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"rolecall/harness"
	"rolecall/harness/check"
)

const (
	podReady = 30 * time.Second // from creation
	podStays = 2 * time.Second  // after that, without a restart
)

// Pod is lab 1: a pod that keeps running, and what the API server says to a
// caller without a token.
func Pod() harness.Step {
	s := &pod{}
	return harness.Step{
		Slug: "pod", Lab: 1, Title: "Running a pod and calling without a credential",
		Checks: []harness.Check{
			{ID: "pod.manifest", Points: 3, Run: s.manifest,
				Desc: "pod.yaml is exactly one Pod for the namespace default, with known fields and no duplicate key"},
			{ID: "pod.identity", Points: 3, Run: s.identity, Needs: []string{"pod.manifest"},
				Desc: "it runs as the service account default"},
			{ID: "pod.running", Points: 4, Run: s.running, Needs: []string{"pod.manifest", "pod.identity"},
				Desc: "it becomes Ready within 30 s and is still running, without restarts, 2 s later"},
			{ID: "pod.tools", Points: 3, Run: s.tools, Needs: []string{"pod.running"},
				Desc: "sh and curl run in it"},
			{ID: "pod.token-mounted", Points: 3, Run: s.tokenMounted, Needs: []string{"pod.tools"},
				Desc: "token, ca.crt and namespace are at the standard path, and the token is bound to this very pod"},
			{ID: "pod.unauthenticated", Points: 4, Run: s.unauthenticated, Needs: []string{"pod.tools"},
				Desc: "curl without a token reaches the API server by its in-cluster name and is denied as system:anonymous"},
		},
	}
}

const podFile = "lab-1/pod.yaml"

// pod is what the checks of lab 1 share.
type pod struct {
	object    *unstructured.Unstructured
	created   *corev1.Pod
	container string
}

func (s *pod) manifest(ctx context.Context, e *check.Env) error {
	object, err := readPod(e)
	if err != nil {
		return err
	}
	s.object = object
	_, err = e.DryRun(ctx, object)
	if message, refused := check.Refused(err); refused && !isAdmission(message) {
		return &check.Failure{
			Want: "a Pod that the API server understands",
			Got:  message,
			Hint: fieldHint(message),
		}
	} else if !refused && err != nil {
		return fmt.Errorf("asking the API server to read %s: %w", podFile, err)
	}
	return nil // what admission says of it is for the checks below
}

// readPod is the one Pod of lab 1's file, in the learner's namespace.
func readPod(e *check.Env) (*unstructured.Unstructured, error) {
	objects, err := e.Manifest(podFile)
	if err != nil {
		return nil, err
	}
	fail := func(got, hint string) error {
		return &check.Failure{Want: "exactly one object, a Pod, in the namespace default", Got: got, Hint: hint}
	}
	if len(objects) != 1 {
		return nil, fail(fmt.Sprintf("%d objects (%s)", len(objects), check.Kinds(objects)), "Keep the Pod only; a line --- starts another object.")
	}
	object := objects[0]
	if object.GetKind() != "Pod" || object.GetAPIVersion() != "v1" {
		return nil, fail(check.Printable(object.GetAPIVersion()+" "+object.GetKind(), 100), "Write apiVersion: v1 and kind: Pod; a Deployment or List makes pods, it is none.")
	}
	if ns := object.GetNamespace(); ns != "" && ns != "default" {
		return nil, fail("a Pod in the namespace "+check.Printable(ns, 70), "Leave metadata.namespace out, or write default.")
	}
	if object.GetName() == "" {
		return nil, fail("a Pod without metadata.name", "Give it a name under metadata; generateName is not enough here.")
	}
	return e.InHome(object), nil
}

// isAdmission tells admission's refusals, which have checks of their own, from
// the decoder's and the validator's.
func isAdmission(message string) bool {
	return strings.Contains(message, "violates PodSecurity") || strings.Contains(message, "error looking up service account")
}

func fieldHint(message string) string {
	if strings.Contains(message, "unknown field") {
		return "The message names the field as you wrote it; compare its spelling and its indentation with kubectl explain pod.spec."
	}
	return "The message names the field and what is wrong with it."
}

func (s *pod) identity(_ context.Context, _ *check.Env) error {
	for _, field := range []string{"serviceAccountName", "serviceAccount"} {
		name, found, _ := unstructured.NestedString(s.object.Object, "spec", field)
		if found && name != "" && name != "default" {
			return &check.Failure{
				Want: "a pod that runs as the service account default",
				Got:  fmt.Sprintf("spec.%s: %s", field, check.Printable(name, 100)),
				Hint: "Leave spec." + field + " out: a pod that names no account runs as default.",
			}
		}
	}
	return nil
}

func (s *pod) running(ctx context.Context, e *check.Env) error {
	created, err := runPod(ctx, e, s.object)
	if err != nil {
		return err
	}
	later, faltered, err := e.Falters(ctx, created.Namespace, created.Name, podStays)
	if err == nil && !faltered {
		later, faltered, err = restarted(ctx, e, later)
	}
	if err != nil {
		return err
	}
	if faltered {
		e.Saw(check.Evidence{Object: check.PodState(later)})
		return &check.Failure{
			Want: fmt.Sprintf("a pod that is still running, without restarts, %s after it became Ready", podStays),
			Got:  "a pod that was Ready and then stopped running",
			Hint: "Its command must keep running: sleep 3600 or sleep infinity will do.",
		}
	}
	s.created, s.container = later, toolContainer(later)
	return nil
}

// restarted asks the container itself how long it has been running: what the
// node says of a pod can be seconds behind.
func restarted(ctx context.Context, e *check.Env, created *corev1.Pod) (*corev1.Pod, bool, error) {
	age, running, err := e.Age(ctx, created.Namespace, created.Name, toolContainer(created))
	if err != nil || running && age >= podStays {
		return created, false, err
	}
	later, faltered, err := e.Falters(ctx, created.Namespace, created.Name, podReady)
	if err == nil && !faltered {
		err = fmt.Errorf("watching pod %s: its container stopped and the node does not say so after %s; type make status", created.Name, podReady)
	}
	return later, faltered, err
}

// runPod creates the learner's pod and waits until it is Ready.
func runPod(ctx context.Context, e *check.Env, object *unstructured.Unstructured) (*corev1.Pod, error) {
	want := fmt.Sprintf("a pod that becomes Ready within %s", podReady)
	created, err := e.Create(ctx, object)
	if message, refused := check.Refused(err); refused {
		hint := "The message is the API server's; it names what it does not accept."
		if strings.Contains(message, "violates PodSecurity") {
			hint = "The namespace enforces the Pod Security Standard baseline: drop what the message names (privileged, hostNetwork, hostPath, added capabilities, …)."
		}
		return nil, &check.Failure{Want: want, Got: "the API server refused to create it: " + message, Hint: hint}
	}
	if err != nil {
		return nil, err
	}
	settled, err := e.Settle(ctx, created.GetNamespace(), created.GetName(), podReady)
	if err != nil {
		return nil, err
	}
	if settled.Ready {
		return settled.Pod, nil
	}
	if settled.Hopeless == "" { // then it may be the cluster that is slow
		if err := e.CanRunPods(ctx); err != nil {
			return nil, fmt.Errorf("telling a slow pod from a broken cluster: %w", err)
		}
	}
	for _, message := range check.PodMessages(settled.Pod) {
		e.Saw(check.Evidence{Object: "the node says: " + message})
	}
	if settled.Pod != nil && len(settled.Pod.Spec.Containers) > 0 {
		if log := e.PodLog(ctx, settled.Pod.Namespace, settled.Pod.Name, settled.Pod.Spec.Containers[0].Name); log != "" {
			e.Saw(check.Evidence{Object: "its log ends: " + log})
		}
	}
	return nil, &check.Failure{Want: want, Got: check.PodState(settled.Pod), Hint: podHint(settled)}
}

func podHint(s check.Settled) string {
	switch {
	case strings.Contains(s.Hopeless, "Image"):
		return "Use the image " + check.LabImage + ": it is on the node; others cannot be pulled."
	case s.Hopeless == "CrashLoopBackOff", s.Hopeless == "it ended":
		return "Its command must keep running: sleep 3600 or sleep infinity will do."
	case s.Hopeless != "":
		return "Look at command, args and volumes: the container cannot be started as written."
	}
	return "Look at its probes, init containers and resource requests: one of them keeps it from being Ready."
}

// toolContainer is the first container of the lab image, or else the first.
func toolContainer(pod *corev1.Pod) string {
	for _, c := range pod.Spec.Containers {
		if c.Image == check.LabImage {
			return c.Name
		}
	}
	return pod.Spec.Containers[0].Name
}
