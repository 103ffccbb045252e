package steps

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"rolecall/harness"
	"rolecall/harness/check"
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
