package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"rolecall/harness"
	"rolecall/harness/check"
	"rolecall/harness/report"
)

// tokens issues a token of the account default that is bound to nothing else,
// and one that is mounted in a pod.
func (b testbed) tokens(t *testing.T) (tokens []string) {
	t.Helper()
	b.hostile(t, func(h hostile) {
		issued, err := h.Client.CoreV1().ServiceAccounts(h.Namespaces.Home()).CreateToken(t.Context(), "default", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
		require.NoError(t, err)
		tokens = []string{issued.Status.Token, strings.TrimSpace(h.run(t, h.caller(t), "cat "+check.ServiceAccountPath+"/token").Stdout)}
	})
	return tokens
}

// knows asks the API server for whom it takes the bearer of a token.
func (b testbed) knows(t *testing.T, token string) (user string) {
	t.Helper()
	config := rest.AnonymousClientConfig(b.Config())
	config.BearerToken = token
	client, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	review, err := client.AuthenticationV1().SelfSubjectReviews().Create(t.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return ""
	}
	return review.Status.UserInfo.Username
}

// watched is what a watch of the pods tells of them since an earlier version.
func (b testbed) watched(t *testing.T, since string) (names []string) {
	t.Helper()
	events, err := b.client(t).CoreV1().Pods(b.Namespaces().Home()).Watch(t.Context(), metav1.ListOptions{ResourceVersion: since, TimeoutSeconds: new(int64(1))})
	if err != nil {
		return nil
	}
	defer events.Stop()
	for event := range events.ResultChan() {
		if pod, ok := event.Object.(*corev1.Pod); ok {
			names = append(names, pod.Name)
		}
	}
	return names
}

// TestEmbeddedRenewProves renews a cluster after what may happen in it: after labs and a
// program that ends by itself it is as new, and after anything else it says what
// is not.
func TestEmbeddedRenewProves(t *testing.T) {
	b := only(t, "embedded")
	b = b.named(b.Name() + "-renew")
	t.Cleanup(func() { b.leave(t) })
	require.NoError(t, b.Down(t.Context()))
	require.NoError(t, b.Up(t.Context()))
	client, home := b.client(t), b.Namespaces().Home()

	t.Run("after labs", func(t *testing.T) {
		b.passes(t, 1)
		b.passes(t, 3)
		events, err := client.CoreV1().Events(home).List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		require.NotEmpty(t, events.Items)
		then := metav1.ListOptions{ResourceVersion: events.ResourceVersion, ResourceVersionMatch: metav1.ResourceVersionMatchExact}
		_, err = client.CoreV1().Pods(home).List(t.Context(), then)
		require.NoError(t, err)
		require.NoError(t, b.Renew(t.Context(), 1))
		_, err = client.CoreV1().Pods(home).List(t.Context(), then)
		assert.True(t, apierrors.IsResourceExpired(err), "%v: the pods of the last submission", err)
		assert.Empty(t, b.watched(t, then.ResourceVersion))
		events, err = client.CoreV1().Events(home).List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		assert.Empty(t, events.Items, "they name what the last submission made")
		b.passes(t, 1)
		require.NoError(t, b.Renew(t.Context(), 2))
	})
	t.Run("tokens", func(t *testing.T) {
		tokens := b.tokens(t)
		assert.Equal(t, "system:serviceaccount:"+home+":default", b.knows(t, tokens[0]))
		require.NoError(t, b.Renew(t.Context(), 1))
		for _, token := range tokens {
			assert.Empty(t, b.knows(t, token), "it was issued for the last submission")
		}
		for _, token := range b.tokens(t)[:1] {
			assert.NotEmpty(t, b.knows(t, token), "a new one works")
		}
	})
	t.Run("an object more", func(t *testing.T) {
		roles := client.RbacV1().ClusterRoles()
		_, err := roles.Create(t.Context(), &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "left"}}, metav1.CreateOptions{})
		require.NoError(t, err)
		assert.ErrorContains(t, b.Renew(t.Context(), 1), "clusterroles.rbac.authorization.k8s.io left")
		require.NoError(t, roles.Delete(t.Context(), "left", metav1.DeleteOptions{}))
		assert.NoError(t, b.Renew(t.Context(), 1))
	})
	t.Run("an object changed and changed back", func(t *testing.T) {
		namespace := b.Namespaces().Of("elsewhere")
		for _, value := range []string{`"x"`, `null`} {
			_, err := client.CoreV1().Namespaces().Patch(t.Context(), namespace, types.MergePatchType, []byte(`{"metadata":{"annotations":{"note":`+value+`}}}`), metav1.PatchOptions{})
			require.NoError(t, err)
		}
		assert.ErrorContains(t, b.Renew(t.Context(), 1), "namespaces "+namespace+" is not as it was")
	})
	t.Run("a pod that used too much memory", func(t *testing.T) {
		require.NoError(t, b.Down(t.Context()))
		require.NoError(t, b.Up(t.Context()))
		b.hostile(t, func(h hostile) {
			h.run(t, h.caller(t), "tail /dev/zero & wait; exit 0") // the shell itself ends well
		})
		assert.EqualError(t, b.Renew(t.Context(), 1), "a pod used more memory than it may")
	})
}

// TestEmbeddedGradedOnWhatOthersUsed grades a class on clusters that serve several
// submissions, hostile ones in the middle, and each on a cluster of its own: the
// same gradebook.
func TestEmbeddedGradedOnWhatOthersUsed(t *testing.T) {
	b := only(t, "embedded")
	b = b.named(b.Name() + "-used")
	dir := t.TempDir()
	hand := func(name, file, text string) {
		require.NoError(t, fix.course.Solutions(filepath.Join(dir, name)))
		if file != "" {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name, file), []byte(text), 0o644))
		}
	}
	hand("a-right", "", "")
	hand("b-wrong", "lab-2/call.sh", "echo no\n")
	hand("c-right", "", "")
	hand("d-memory", "lab-3/call.sh", "tail /dev/zero\n")
	hand("e-right", "", "")
	hand("f-stays", "lab-2/call.sh", "sleep 1000 & exit 0\n")
	hand("g-right", "", "")
	hand("h-right", "", "")
	grade := func(words ...string) (book string, served map[string]int) {
		out, served := t.TempDir(), map[string]int{}
		said, _ := b.rolecall(t, append([]string{"grade-all", "--submissions", dir, "--out", out, "--labs", "2-3"}, words...)...).CombinedOutput()
		text, err := os.ReadFile(filepath.Join(out, "gradebook.csv"))
		require.NoError(t, err, "%s", said)
		folders, err := filepath.Glob(filepath.Join(out, "submissions", "*"))
		require.NoError(t, err)
		for _, graded := range folders {
			result, err := report.Read(filepath.Join(graded, "results.json"))
			require.NoError(t, err)
			assert.NotEqual(t, harness.Error, result.Outcome, graded)
			served[filepath.Base(graded)] = result.Cluster.Served
			command := verify(t, graded)
			command.Args = append(command.Args, "--labs", "2-3")
			said, err := command.CombinedOutput()
			assert.NoError(t, err, "%s", said)
		}
		assert.Empty(t, b.left(t), "left behind")
		return string(text), served
	}
	began := time.Now()
	own, served := grade("--fresh", "--workers", "1")
	fresh := time.Since(began)
	for name, n := range served {
		assert.Zero(t, n, name)
	}
	began = time.Now()
	used, served := grade("--workers", "1")
	t.Logf("%s on new clusters, %s on used ones", fresh, time.Since(began))
	assert.Equal(t, own, used)
	assert.Equal(t, map[string]int{"a-right": 0, "b-wrong": 1, "c-right": 2, "d-memory": 3, "e-right": 0, "f-stays": 1, "g-right": 0, "h-right": 1}, served)
	used, _ = grade("--workers", "2")
	assert.Equal(t, own, used, "in another order")
}
