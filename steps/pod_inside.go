package steps

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"

	"rolecall/harness/check"
	"rolecall/harness/next"
)

var duration = regexp.MustCompile(` after \d+ ms`)

// curlSaid is what curl wrote, without the times in it: a learner is told the
// same whenever the same is wrong.
func curlSaid(stderr string) string {
	return check.Printable(duration.ReplaceAllString(stderr, ""), 200)
}

// inside runs a command of ours in the learner's pod. Where nothing runs in it
// because it has ended, that is the failure.
func (l learnerPod) inside(ctx context.Context, e *check.Env, command ...string) (stdout, stderr string, status int, err error) {
	stdout, stderr, status, err = e.Inside(ctx, l.pod, l.container, command...)
	if _, learners := check.AsFailure(err); !learners {
		return stdout, stderr, status, err
	}
	later, lost := e.StaysReady(ctx, l.pod, podStays)
	switch {
	case lost != nil:
		err = lost
	case !later.Ready:
		err = notReady(e, l.object, later)
	}
	return stdout, stderr, status, err
}

func podTools(ctx context.Context, e *check.Env) error {
	l := check.Need[learnerPod](e, "pod.running")
	want := fmt.Sprintf("sh and curl in the container %s", l.container)
	hint := "Use the image " + e.Image + " and leave its PATH alone."
	_, stderr, status, err := l.inside(ctx, e, "sh", "-c", "curl --version >/dev/null")
	switch failure, learners := check.AsFailure(err); {
	case learners:
		return &check.Failure{Want: want, Got: failure.Got, Hint: hint}
	case err != nil:
		return err
	case status == 126 || status == 127:
		return &check.Failure{Want: want, Got: cmp.Or(curlSaid(stderr), "they do not run"), Hint: hint}
	case status != 0:
		return &check.Failure{Want: want, Got: fmt.Sprintf("curl ended with exit status %d: %s", status, curlSaid(stderr)), Hint: hint}
	}
	e.Keep(l)
	return nil
}

func podTokenMounted(ctx context.Context, e *check.Env) error {
	l := check.Need[learnerPod](e, "pod.tools")
	want := "token, ca.crt and namespace in " + check.ServiceAccountPath
	files := map[string]string{}
	for _, file := range []string{"token", "ca.crt", "namespace"} {
		out, stderr, status, err := l.inside(ctx, e, "cat", check.ServiceAccountPath+"/"+file)
		if err != nil {
			return err
		}
		if status != 0 {
			return &check.Failure{Want: want, Got: curlSaid(stderr), Hint: "Do not turn automountServiceAccountToken off, and mount nothing over that path."}
		}
		files[file] = out
	}
	if ns := strings.TrimSpace(files["namespace"]); ns != e.Namespaces.Of(Home) {
		return &check.Failure{Want: "the file namespace names " + e.Namespaces.Of(Home), Got: check.Printable(ns, 80), Hint: "Let Kubernetes mount the three files."}
	}
	root, err := e.Client.CoreV1().ConfigMaps(e.Namespaces.Of(Home)).Get(ctx, "kube-root-ca.crt", metav1.GetOptions{})
	if err != nil {
		return next.Errorf("make status", "reading the cluster's CA certificate: %w", err)
	}
	if strings.TrimSpace(files["ca.crt"]) != strings.TrimSpace(root.Data["ca.crt"]) {
		return &check.Failure{Want: "ca.crt holds this cluster's certificate authority", Got: "another certificate", Hint: "Let Kubernetes mount the three files."}
	}
	token, err := check.ReadToken(files["token"])
	if err != nil {
		return &check.Failure{Want: want, Got: "a file token that holds none: " + err.Error(), Hint: "Let Kubernetes mount the three files."}
	}
	return tokenIsOf(ctx, e, token, l.pod)
}

// tokenIsOf asks the API server itself whether a token is a pod's.
func tokenIsOf(ctx context.Context, e *check.Env, token *check.Token, pod *corev1.Pod) error {
	review, err := e.ReviewToken(ctx, token)
	if err != nil {
		return err
	}
	user := review.User
	boundTo := strings.Join(user.Extra["authentication.kubernetes.io/pod-uid"], "")
	account := account(e)
	e.Saw(check.Evidence{Object: fmt.Sprintf("the API server takes the token for %s, bound to pod %s", user.Username, strings.Join(user.Extra["authentication.kubernetes.io/pod-name"], ""))})
	want := "a token of " + account + ", bound to this pod"
	hint := "Let Kubernetes mount the token: leave volumes at that path out."
	switch {
	case !review.Authenticated:
		return &check.Failure{Want: want, Got: "a token that the API server does not accept", Hint: hint}
	case user.Username != account:
		return &check.Failure{Want: want, Got: "a token of " + check.Printable(user.Username, 200), Hint: hint}
	case boundTo != string(pod.UID):
		return &check.Failure{Want: want, Got: "a token that is bound to another pod or to none", Hint: hint}
	}
	return nil
}

// podUnauthenticated calls with our own curl, without a token. Whom it reaches
// is told by the audit log, so it need not verify the server.
func podUnauthenticated(ctx context.Context, e *check.Env) error {
	l := check.Need[learnerPod](e, "pod.tools")
	if err := e.NeedsAudit(); err != nil {
		return err
	}
	nonce := string(uuid.NewUUID())
	url := fmt.Sprintf("https://kubernetes.default.svc/api/v1/namespaces/%s/services?rolecall=%s", e.Namespaces.Of(Home), nonce)
	var stderr string
	var status int
	requests, err := e.Witness(ctx, func() (err error) {
		_, stderr, status, err = l.inside(ctx, e,
			"curl", "--silent", "--show-error", "--max-time", "10", "--insecure", "--output", "/dev/null", url)
		return err
	})
	if err != nil {
		return err
	}
	var arrived check.Requests
	for _, r := range requests {
		if strings.Contains(r.URI, nonce) {
			arrived = append(arrived, r)
		}
	}
	e.Saw(arrived.Evidence()...)
	want := "a call to https://kubernetes.default.svc without a token, denied as system:anonymous"
	switch denied := arrived.By("system:anonymous").Answered(403); {
	case len(denied) > 0:
		return nil
	case len(arrived) > 0:
		return &check.Failure{Want: want, Got: arrived.Summary(), Hint: "The pod's calls must reach the API server as they are sent."}
	}
	return &check.Failure{
		Want: want,
		Got:  fmt.Sprintf("the call did not arrive (curl ended with exit status %d: %s)", status, curlSaid(stderr)),
		Hint: "Leave dnsPolicy, dnsConfig, hostAliases and proxy variables out: the name is resolved by the cluster.",
	}
}
