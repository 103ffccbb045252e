package steps

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"rolecall/harness"
	"rolecall/harness/check"
	"rolecall/harness/next"
)

// Tour is the walkthrough up to the refusal, to look at: each check shows
// something of the cluster, with the text of labs/tour.md around it.
func Tour() harness.Lab {
	return harness.Lab{
		Slug: "tour", Title: "The tour",
		Checks: []harness.Check{
			{ID: "tour.cluster", Desc: "A cluster of your own", Run: tourCluster},
			{ID: "tour.pod", Desc: "A pod in it", Run: tourPod, Needs: []string{"tour.cluster"}},
			{ID: "tour.request", Desc: "What the pod asks", Run: tourRequest, Needs: []string{"tour.pod"}},
			{ID: "tour.caller", Desc: "Who is asking", Run: tourCaller, Needs: []string{"tour.request"}},
			{ID: "tour.answer", Desc: "The answer", Run: tourAnswer, Needs: []string{"tour.request", "tour.caller"}},
		},
	}
}

// table keeps as evidence what was seen, a name and a text a line.
func table(e *check.Env, rows ...[2]string) {
	width := 0
	for _, row := range rows {
		width = max(width, len(row[0]))
	}
	var lines []string
	for _, row := range rows {
		name, line := row[0], ""
		for _, word := range strings.Fields(check.Printable(row[1], 400)) {
			if line != "" && width+len(line)+len(word) > wide {
				lines = append(lines, fmt.Sprintf("%-*s  %s", width, name, line))
				name, line = "", ""
			}
			line = strings.TrimSpace(line + " " + word)
		}
		lines = append(lines, fmt.Sprintf("%-*s  %s", width, name, line))
	}
	e.Saw(check.Evidence{Object: strings.Join(lines, "\n")})
}

// wide is how many characters of a line a table takes: a terminal has 80, and
// some stand before it.
const wide = 70

func tourCluster(ctx context.Context, e *check.Env) error {
	version, err := e.Client.Discovery().ServerVersion()
	if err != nil {
		return next.Errorf("make status", "asking the API server for its version: %w", err)
	}
	nodes, err := e.Client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return next.Errorf("make status", "asking for the cluster's nodes: %w", err)
	}
	services, err := e.Client.CoreV1().Services(e.Namespaces.Of(Home)).List(ctx, metav1.ListOptions{})
	if err != nil {
		return next.Errorf("make status", "listing the services: %w", err)
	}
	var names, addresses []string
	for _, node := range nodes.Items {
		names = append(names, node.Name)
	}
	for _, service := range services.Items {
		addresses = append(addresses, fmt.Sprintf("%s, at %s in the cluster", service.Name, service.Spec.ClusterIP))
	}
	table(e,
		[2]string{"version", version.GitVersion},
		[2]string{"node", strings.Join(names, ", ")},
		[2]string{"service", strings.Join(addresses, "; ")})
	return nil
}

// tourContainer is the name of the container of the tour's pod.
const tourContainer = "shell"

func tourPod(ctx context.Context, e *check.Env) error {
	created, err := e.CreatePod(ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Pod",
		"metadata": map[string]any{"name": "tour", "namespace": e.Namespaces.Of(Home), "labels": map[string]any{check.RunLabel: e.Run}},
		"spec": map[string]any{
			"terminationGracePeriodSeconds": int64(0),
			"containers":                    []any{map[string]any{"name": tourContainer, "image": e.Image, "command": []any{"sleep", "3600"}}},
		},
	}})
	if err != nil {
		return ours(err)
	}
	start, err := e.AwaitReady(ctx, created, podReady)
	if err != nil {
		return err
	}
	if !start.Ready {
		return next.Errorf("make status", "starting a pod to look at: %s", check.PodState(start.Pod))
	}
	files, _, _, err := e.Inside(ctx, start.Pod, tourContainer, "ls", check.ServiceAccountPath)
	if err != nil {
		return ours(err)
	}
	table(e,
		[2]string{"pod", start.Pod.Name + " in the namespace " + start.Pod.Namespace},
		[2]string{"address", start.Pod.Status.PodIP},
		[2]string{"service account", start.Pod.Spec.ServiceAccountName},
		[2]string{"files", strings.Join(strings.Fields(files), ", ")},
		[2]string{"in", check.ServiceAccountPath})
	e.Keep(start.Pod)
	return nil
}

// ours is an error of the tour's, in which nothing is a learner's.
func ours(err error) error {
	if failure, learners := check.AsFailure(err); learners {
		return next.Errorf("make status", "looking at the cluster: %s", failure.Error())
	}
	return err
}

// tourCall is one request, as it was answered and as the log has it.
type tourCall struct {
	request check.Request
	answer  string
}

// lists asks for the services of the pod's own namespace. Its words are those of
// a program, which a learner writes in lab 2.
const lists = `cd ` + check.ServiceAccountPath + ` && curl --silent --show-error --max-time 10 --cacert ca.crt \
	--header "Authorization: Bearer $(cat token)" "https://kubernetes.default.svc/api/v1/namespaces/$(cat namespace)/services"`

func tourRequest(ctx context.Context, e *check.Env) error {
	if err := e.NeedsAudit(); err != nil {
		return err
	}
	pod := check.Need[*corev1.Pod](e, "tour.pod")
	var answer, complaint string
	requests, err := e.Witness(ctx, func() (err error) {
		answer, complaint, _, err = e.Inside(ctx, pod, tourContainer, "sh", "-c", lists)
		return ours(err)
	})
	if err != nil {
		return err
	}
	seen := requests.From(pod.Status.PodIP).Lists("services", pod.Namespace)
	if len(seen) == 0 {
		return next.Errorf("make status", "calling the API server from a pod: no request arrived: %s", check.Printable(complaint, 200))
	}
	r := seen[0]
	table(e,
		[2]string{"verb", r.Verb},
		[2]string{"resource", r.Resource},
		[2]string{"namespace", r.Namespace},
		[2]string{"requestURI", r.URI},
		[2]string{"sourceIP", r.SourceIP})
	e.Keep(tourCall{r, answer})
	return nil
}

func tourCaller(_ context.Context, e *check.Env) error {
	call := check.Need[tourCall](e, "tour.request")
	table(e,
		[2]string{"user", call.request.User},
		[2]string{"groups", strings.Join(call.request.Groups, ", ")},
		[2]string{"pod", call.request.PodName})
	return nil
}

func tourAnswer(ctx context.Context, e *check.Env) error {
	call := check.Need[tourCall](e, "tour.request")
	var status metav1.Status
	if err := json.Unmarshal([]byte(call.answer), &status); err != nil || call.request.Code != 403 {
		return next.Errorf("make reset", "waiting for a refusal: the API server answered %d: %s", call.request.Code, check.Printable(call.answer, 200))
	}
	bindings, err := e.Client.RbacV1().RoleBindings(call.request.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return next.Errorf("make status", "listing the role bindings: %w", err)
	}
	table(e,
		[2]string{"code", fmt.Sprintf("%d %s", call.request.Code, status.Reason)},
		[2]string{"message", status.Message},
		[2]string{"decision", call.request.Decision},
		[2]string{"role bindings", fmt.Sprintf("%d in the namespace %s", len(bindings.Items), call.request.Namespace)})
	return nil
}
