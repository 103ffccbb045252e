package controlplane

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	rbac "k8s.io/kubernetes/pkg/registry/rbac/rest"
	scheduling "k8s.io/kubernetes/pkg/registry/scheduling/rest"
)

const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
rules:
  - level: None
    users: [kubernetes-admin, system:apiserver, system:kube-controller-manager, system:kube-scheduler, system:kube-proxy]
  - level: None
    userGroups: [system:nodes, system:serviceaccounts:kube-system]
  - level: None
    nonResourceURLs: ["/healthz*", "/livez*", "/readyz*"]
  - level: Metadata
`

// TestControlPlane starts one, as a process can have no second, and asks it
// what labs ask.
func TestControlPlane(t *testing.T) {
	dir := t.TempDir()
	policy := filepath.Join(dir, "policy.yaml")
	require.NoError(t, os.WriteFile(policy, []byte(auditPolicy), 0o600))
	plane, err := Start(t.Context(), Config{Dir: dir, AuditPolicy: policy, Node: "lab"})
	require.NoError(t, err)
	admin := kubernetes.NewForConfigOrDie(plane.Admin)
	makeNode(t, plane, "lab")
	require.NoError(t, plane.WaitReady(t.Context()))
	log := auditLog(filepath.Join(dir, "audit.log"))

	t.Run("nobody but labs' callers is in the audit log", func(t *testing.T) {
		assert.Empty(t, log.events(t))
	})
	t.Run("the hooks that seed stands in for find nothing to do", func(t *testing.T) {
		before := seededVersions(t, admin)
		for _, provider := range []server.PostStartHookProvider{rbac.RESTStorageProvider{}, scheduling.RESTStorageProvider{}} {
			name, hook, err := provider.PostStartHook()
			require.NoError(t, err)
			require.NoError(t, hook(server.PostStartHookContext{Context: t.Context(), LoopbackClientConfig: plane.loopback}), name)
		}
		assert.Equal(t, before, seededVersions(t, admin))
	})
	t.Run("an anonymous call is refused and recorded", func(t *testing.T) {
		anonymous := kubernetes.NewForConfigOrDie(rest.AnonymousClientConfig(plane.Admin))
		_, err := anonymous.CoreV1().Services("default").List(t.Context(), metav1.ListOptions{})
		assert.True(t, apierrors.IsForbidden(err), "%v", err)
		event := log.last(t)
		assert.Equal(t, "system:anonymous", event.User.Username)
		assert.Equal(t, "list", event.Verb)
		assert.Equal(t, "forbid", event.Annotations["authorization.k8s.io/decision"])
		assert.Equal(t, []string{"127.0.0.1"}, event.SourceIPs)
	})
	t.Run("a pod's call comes from the pod's address", func(t *testing.T) {
		pod := makePod(t, admin, "caller")
		listener, err := net.Listen("tcp4", "127.0.0.1:0")
		require.NoError(t, err)
		defer listener.Close()
		plane.Front.Add(listener, netip.MustParseAddr("10.244.0.7"))

		config := rest.AnonymousClientConfig(plane.Admin)
		config.Host = "https://kubernetes.default.svc"
		config.BearerToken = token(t, admin, pod)
		config.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp4", listener.Addr().String())
		}
		_, err = kubernetes.NewForConfigOrDie(config).CoreV1().Services("default").List(t.Context(), metav1.ListOptions{})
		assert.True(t, apierrors.IsForbidden(err), "%v", err)
		event := log.last(t)
		assert.Equal(t, []string{"10.244.0.7"}, event.SourceIPs)
		assert.Equal(t, "system:serviceaccount:default:default", event.User.Username)
		assert.Equal(t, authenticationv1.ExtraValue{string(pod.UID)}, event.User.Extra["authentication.kubernetes.io/pod-uid"])
	})
	t.Run("a new namespace gets what it needs", func(t *testing.T) {
		_, err := admin.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "fresh"}}, metav1.CreateOptions{})
		require.NoError(t, err)
		eventually(t, func(ctx context.Context) error {
			_, err := admin.CoreV1().ServiceAccounts("fresh").Get(ctx, "default", metav1.GetOptions{})
			return err
		})
		eventually(t, func(ctx context.Context) error {
			_, err := admin.CoreV1().ConfigMaps("fresh").Get(ctx, "kube-root-ca.crt", metav1.GetOptions{})
			return err
		})
		require.NoError(t, admin.CoreV1().Namespaces().Delete(t.Context(), "fresh", metav1.DeleteOptions{}))
		eventually(t, func(ctx context.Context) error {
			_, err := admin.CoreV1().Namespaces().Get(ctx, "fresh", metav1.GetOptions{})
			if apierrors.IsNotFound(err) {
				return nil
			}
			return assert.AnError
		})
	})
	t.Run("pods are scheduled", func(t *testing.T) {
		makePod(t, admin, "scheduled")
		eventually(t, func(ctx context.Context) error {
			pod, err := admin.CoreV1().Pods("default").Get(ctx, "scheduled", metav1.GetOptions{})
			if err == nil && pod.Spec.NodeName != "lab" {
				err = assert.AnError
			}
			return err
		})
	})
	t.Run("Pod Security is enforced", func(t *testing.T) {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "secure", Labels: map[string]string{"pod-security.kubernetes.io/enforce": "baseline"}}}
		_, err := admin.CoreV1().Namespaces().Create(t.Context(), namespace, metav1.CreateOptions{})
		require.NoError(t, err)
		pod := podOf("host")
		pod.Spec.HostNetwork = true
		eventually(t, func(ctx context.Context) error { // the service account first
			_, err := admin.CoreV1().Pods("secure").Create(ctx, pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
			if apierrors.IsForbidden(err) && strings.Contains(err.Error(), "PodSecurity") {
				return nil
			}
			return assert.AnError
		})
	})
	t.Run("the view role is aggregated", func(t *testing.T) {
		view, err := admin.RbacV1().ClusterRoles().Get(t.Context(), "view", metav1.GetOptions{})
		require.NoError(t, err)
		assert.NotEmpty(t, view.Rules)
	})
}

// TestClockSetBack looks at what a program sees whose clock is set back.
func TestClockSetBack(t *testing.T) {
	certs, err := newPKI(t.TempDir(), "lab", netip.MustParseAddr("10.96.0.1"))
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(certs.cluster.certificate)
	for _, pair := range []pair{certs.apiServer, certs.admin, certs.node} {
		der, _ := pem.Decode(pair.cert)
		certificate, err := x509.ParseCertificate(der.Bytes)
		require.NoError(t, err)
		_, err = certificate.Verify(x509.VerifyOptions{
			Roots: pool, CurrentTime: time.Now().Add(-23 * time.Hour), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
		})
		assert.NoError(t, err)
	}
}

// TestDatabaseEnds stops an etcd that nobody asked to end.
func TestDatabaseEnds(t *testing.T) {
	db, err := startDatabase(t.TempDir())
	require.NoError(t, err)
	require.NoError(t, db.waitReady(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- db.run(t.Context()) }()
	db.server.Server.HardStop()
	select {
	case err := <-ended:
		assert.ErrorContains(t, err, "running etcd")
	case <-time.After(5 * time.Second):
		t.Fatal("nobody noticed")
	}
}

// seededVersions returns the resource versions of all objects that the hooks
// would make.
func seededVersions(t *testing.T, admin kubernetes.Interface) map[string]string {
	t.Helper()
	versions := map[string]string{}
	for path, lists := range map[string][]string{
		"/apis/rbac.authorization.k8s.io/v1": {"clusterroles", "clusterrolebindings", "roles", "rolebindings"},
		"/apis/scheduling.k8s.io/v1":         {"priorityclasses"},
	} {
		for _, resource := range lists {
			body, err := admin.Discovery().RESTClient().Get().AbsPath(path, resource).SetHeader("Accept", "application/json").DoRaw(t.Context())
			require.NoError(t, err)
			var list metav1.PartialObjectMetadataList
			require.NoError(t, json.Unmarshal(body, &list))
			require.NotEmpty(t, list.Items)
			for _, item := range list.Items {
				if resource == "clusterroles" && (item.Name == "admin" || item.Name == "edit" || item.Name == "view") {
					continue // the aggregation controller writes these, in its own time
				}
				versions[resource+" "+item.Namespace+" "+item.Name] = item.ResourceVersion
			}
		}
	}
	return versions
}

func makeNode(t *testing.T, plane *ControlPlane, name string) {
	t.Helper()
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Status: corev1.NodeStatus{
			Conditions:  []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, LastHeartbeatTime: metav1.Now()}},
			Allocatable: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("10")},
		},
	}
	_, err := kubernetes.NewForConfigOrDie(plane.Node).CoreV1().Nodes().Create(t.Context(), node, metav1.CreateOptions{})
	require.NoError(t, err)
}

func podOf(name string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "none"}}},
	}
}

func makePod(t *testing.T, admin kubernetes.Interface, name string) *corev1.Pod {
	t.Helper()
	pod, err := admin.CoreV1().Pods("default").Create(t.Context(), podOf(name), metav1.CreateOptions{})
	require.NoError(t, err)
	return pod
}

func token(t *testing.T, admin kubernetes.Interface, pod *corev1.Pod) string {
	t.Helper()
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		BoundObjectRef: &authenticationv1.BoundObjectReference{Kind: "Pod", APIVersion: "v1", Name: pod.Name, UID: pod.UID},
	}}
	response, err := admin.CoreV1().ServiceAccounts(pod.Namespace).CreateToken(t.Context(), "default", request, metav1.CreateOptions{})
	require.NoError(t, err)
	return response.Status.Token
}

func eventually(t *testing.T, done func(context.Context) error) {
	t.Helper()
	var last error
	err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, 20*time.Second, true, func(ctx context.Context) (bool, error) {
		last = done(ctx)
		return last == nil, nil
	})
	require.NoError(t, err, "%v", last)
}

// auditLog is the path of one.
type auditLog string

func (l auditLog) events(t *testing.T) (events []auditv1.Event) {
	t.Helper()
	file, err := os.Open(string(l))
	if os.IsNotExist(err) {
		return nil
	}
	require.NoError(t, err)
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event auditv1.Event
		require.NoError(t, json.Unmarshal(lines.Bytes(), &event))
		events = append(events, event)
	}
	require.NoError(t, lines.Err())
	return events
}

func (l auditLog) last(t *testing.T) auditv1.Event {
	t.Helper()
	events := l.events(t)
	require.NotEmpty(t, events)
	return events[len(events)-1]
}
