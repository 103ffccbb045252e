package steps

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"rolecall/harness"
	"rolecall/harness/check"
	"rolecall/harness/next"
)

// Walkthrough is all five labs as one story: the learner's own pod is refused,
// the learner's binding is made, the same pod is allowed.
func Walkthrough() harness.Lab {
	return harness.Lab{
		Slug: "walkthrough", Title: "The walkthrough as one story",
		Checks: []harness.Check{
			{ID: "walkthrough.cause", Points: 0, Run: cause,
				Needs: []string{"pod.running", "forbidden.observed", "rolebinding.allows-view", "success.allowed"},
				Desc:  "the same pod was refused before and allowed after, and the learner's binding is the only change of access in between"},
		},
	}
}

func cause(ctx context.Context, e *check.Env) error {
	if err := e.NeedsAudit(); err != nil {
		return err
	}
	call, err := e.Program(ctx, "lab-3", "call")
	if err != nil {
		return err
	}
	list, err := e.Program(ctx, "lab-5", "list")
	if err != nil {
		return err
	}
	pod, err := startPod(ctx, e, check.Need[learnerPod](e, "pod.running").object)
	if err != nil {
		return err
	}
	objects := check.Need[binding](e, "rolebinding.allows-view").objects
	story, err := e.Witness(ctx, func() error {
		if _, err := e.RunInPod(ctx, pod, toolContainer(e, pod), call); err != nil {
			return err
		}
		if objects, err = bind(ctx, e, objects); err != nil {
			return err
		}
		if err := opens(ctx, e); err != nil {
			return err
		}
		_, err := e.RunInPod(ctx, pod, toolContainer(e, pod), list)
		return err
	})
	if err != nil {
		return err
	}
	return judge(e, story, pod, objects)
}

// judge reads the story from the audit log alone.
func judge(e *check.Env, story check.Requests, pod *corev1.Pod, objects []*unstructured.Unstructured) error {
	want := "the same pod refused (403), then the binding, then the same pod allowed by it"
	fail := func(got, hint string) error { return &check.Failure{Want: want, Got: got, Hint: hint} }
	const hint = "Run the programs of labs 3 and 5 in the pod of lab 1: something in that pod's manifest keeps them from calling the API server as its service account."

	refused := position(story, func(r check.Request) bool {
		return r.PodUID == string(pod.UID) && len(refusals(e, check.Requests{r})) > 0
	}, 0)
	if refused < 0 {
		seen := story.From(pod.Status.PodIP)
		e.Saw(seen.Evidence()...)
		return fail("before the binding, no refusal of this pod's own call: "+seen.Summary(), hint)
	}
	allowed := position(story, func(r check.Request) bool {
		return r.PodUID == string(pod.UID) && len(successes(e, check.Requests{r})) > 0
	}, refused)
	if allowed < 0 {
		seen := story[refused+1:].From(pod.Status.PodIP)
		e.Saw(seen.Evidence()...)
		return fail("after the binding, no call of this pod's that was allowed: "+seen.Summary(), hint)
	}

	between := story[refused:allowed].AccessChanges()
	e.Saw(check.Evidence{Request: &story[refused]})
	e.Saw(between.Evidence()...)
	e.Saw(check.Evidence{Request: &story[allowed]})
	names := map[string]bool{}
	for _, object := range objects {
		names[strings.ToLower(object.GetKind())+"s "+object.GetName()] = true
	}
	for _, change := range between {
		if !names[change.Resource+" "+change.Name] {
			return next.Errorf("leave the cluster alone while a lab runs, and try again", "telling the cause: %s changed access meanwhile (%s %s)", change.User, change.Verb, change.Resource)
		}
	}
	if len(between) != len(objects) {
		return fail(fmt.Sprintf("%d changes of access where the manifest has %d objects", len(between), len(objects)), "Let rolebinding.yaml hold what is needed, once.")
	}
	for _, object := range objects {
		if object.GetKind() == "RoleBinding" && strings.Contains(story[allowed].Reason, `"`+object.GetName()+"/"+e.Namespaces.Of(Home)+`"`) {
			return nil
		}
	}
	return fail("allowed for another reason: "+check.Printable(story[allowed].Reason, 200), "The binding of lab 4 must be what allows the call.")
}

// position is the index of the first such request, from one on; -1 if there is
// none.
func position(requests check.Requests, is func(check.Request) bool, from int) int {
	for i := from; i < len(requests); i++ {
		if is(requests[i]) {
			return i
		}
	}
	return -1
}
