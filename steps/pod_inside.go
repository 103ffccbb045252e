package steps

import (
	"context"
	"fmt"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"

	"rolecall/harness/check"
)

// exec runs a command of ours inside the learner's pod.
func (s *pod) exec(ctx context.Context, e *check.Env, command ...string) (stdout, stderr string, status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, check.ProgramTime)
	defer cancel()
	out, errs, status, err := e.Exec(ctx, s.created.Namespace, s.created.Name, s.container, nil, command...)
	return string(out), strings.TrimSpace(string(errs)), status, err
}

func (s *pod) tools(ctx context.Context, e *check.Env) error {
	want := fmt.Sprintf("sh and curl in the container %s", s.container)
	hint := "Use the image " + check.LabImage + " and leave its PATH alone."
	_, stderr, status, err := s.exec(ctx, e, "sh", "-c", "curl --version >/dev/null")
	if cannotStart(err) || status == 126 || status == 127 {
		got := "they do not run"
		if stderr != "" {
			got = check.Printable(stderr, 200)
		}
		return &check.Failure{Want: want, Got: got, Hint: hint}
	}
	if err != nil {
		return err
	}
	if status != 0 {
		return &check.Failure{Want: want, Got: fmt.Sprintf("curl ended with exit status %d: %s", status, check.Printable(stderr, 200)), Hint: hint}
	}
	return nil
}

// cannotStart tells a command that is not in the image from an exec that broke.
func cannotStart(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "executable file not found") || strings.Contains(err.Error(), "no such file or directory"))
}

func (s *pod) tokenMounted(ctx context.Context, e *check.Env) error {
	want := "token, ca.crt and namespace in " + check.ServiceAccountPath
	files := map[string]string{}
	for _, file := range []string{"token", "ca.crt", "namespace"} {
		out, stderr, status, err := s.exec(ctx, e, "cat", check.ServiceAccountPath+"/"+file)
		if err != nil {
			return err
		}
		if status != 0 {
			return &check.Failure{Want: want, Got: check.Printable(stderr, 200), Hint: "Do not turn automountServiceAccountToken off, and mount nothing over that path."}
		}
		files[file] = out
	}
	if ns := strings.TrimSpace(files["namespace"]); ns != e.Namespaces.Home {
		return &check.Failure{Want: "the file namespace names " + e.Namespaces.Home, Got: check.Printable(ns, 80), Hint: "Let Kubernetes mount the three files."}
	}
	root, err := e.Client.CoreV1().ConfigMaps(e.Namespaces.Home).Get(ctx, "kube-root-ca.crt", metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("reading the cluster's CA certificate: %w; type make status", err)
	}
	if strings.TrimSpace(files["ca.crt"]) != strings.TrimSpace(root.Data["ca.crt"]) {
		return &check.Failure{Want: "ca.crt holds this cluster's certificate authority", Got: "another certificate", Hint: "Let Kubernetes mount the three files."}
	}
	return s.tokenIsThePods(ctx, e, strings.TrimSpace(files["token"]))
}

// tokenIsThePods asks the API server itself whose token that is.
func (s *pod) tokenIsThePods(ctx context.Context, e *check.Env, token string) error {
	review, err := e.Client.AuthenticationV1().TokenReviews().Create(ctx, &authenticationv1.TokenReview{
		Spec: authenticationv1.TokenReviewSpec{Token: token},
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("asking the API server to review the pod's token: %w; type make status", err)
	}
	user := review.Status.User
	boundTo := strings.Join(user.Extra["authentication.kubernetes.io/pod-uid"], "")
	account := check.ServiceAccount(e.Namespaces.Home, "default").User
	e.Saw(check.Evidence{Object: fmt.Sprintf("the API server takes the token for %s, bound to pod %s", user.Username, strings.Join(user.Extra["authentication.kubernetes.io/pod-name"], ""))})
	want := "a token of " + account + ", bound to this pod"
	hint := "Let Kubernetes mount the token: leave volumes at that path out."
	switch {
	case !review.Status.Authenticated:
		return &check.Failure{Want: want, Got: "a token that the API server does not accept", Hint: hint}
	case user.Username != account:
		return &check.Failure{Want: want, Got: "a token of " + check.Printable(user.Username, 200), Hint: hint}
	case boundTo != string(s.created.UID):
		return &check.Failure{Want: want, Got: "a token that is bound to another pod or to none", Hint: hint}
	}
	return nil
}

// unauthenticated calls with our own curl, without a token. Whom it reaches is
// told by the audit log, so it need not verify the server.
func (s *pod) unauthenticated(ctx context.Context, e *check.Env) error {
	if err := e.NeedsAudit(); err != nil {
		return err
	}
	nonce := string(uuid.NewUUID())
	url := fmt.Sprintf("https://kubernetes.default.svc/api/v1/namespaces/%s/services?rolecall=%s", e.Namespaces.Home, nonce)
	var stderr string
	var status int
	requests, err := e.Witness(ctx, func() (err error) {
		_, stderr, status, err = s.exec(ctx, e,
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
		Got:  fmt.Sprintf("the call did not arrive (curl ended with exit status %d: %s)", status, check.Printable(stderr, 200)),
		Hint: "Leave dnsPolicy, dnsConfig, hostAliases and proxy variables out: the name is resolved by the cluster.",
	}
}
