package check

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	discoveryfake "k8s.io/client-go/discovery/fake"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/kubernetes/scheme"
	clienttesting "k8s.io/client-go/testing"

	"rolecall/harness/cluster"
)

var (
	podKind         = corev1.SchemeGroupVersion.WithKind("Pod")
	roleKind        = rbacv1.SchemeGroupVersion.WithKind("Role")
	roleBindingKind = rbacv1.SchemeGroupVersion.WithKind("RoleBinding")
	clusterRoleKind = rbacv1.SchemeGroupVersion.WithKind("ClusterRole")
)

// fakes are the clients of an Env that reaches no cluster.
type fakes struct {
	client  *fake.Clientset
	dynamic *dynamicfake.FakeDynamicClient
}

// newEnv is an Env whose cluster has a node, these objects, and serves pods,
// services, roles and bindings. Pods of ours run as soon as they are created.
func newEnv(t *testing.T, files map[string]string, objects ...runtime.Object) (*Env, fakes) {
	t.Helper()
	f := fakes{
		client: fake.NewSimpleClientset(
			&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node"}},
			&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "kubernetes"}},
		),
		dynamic: dynamicfake.NewSimpleDynamicClient(scheme.Scheme, objects...),
	}
	f.client.Discovery().(*discoveryfake.FakeDiscovery).Resources = []*metav1.APIResourceList{
		{GroupVersion: "v1", APIResources: []metav1.APIResource{
			{Name: "pods", Kind: "Pod", Namespaced: true}, {Name: "services", Kind: "Service", Namespaced: true},
		}},
		{GroupVersion: "rbac.authorization.k8s.io/v1", APIResources: []metav1.APIResource{
			{Name: "roles", Kind: "Role", Namespaced: true}, {Name: "rolebindings", Kind: "RoleBinding", Namespaced: true},
			{Name: "clusterroles", Kind: "ClusterRole"}, {Name: "clusterrolebindings", Kind: "ClusterRoleBinding"},
		}},
	}
	f.client.PrependReactor("create", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
		pod := action.(clienttesting.CreateAction).GetObject().(*corev1.Pod)
		if strings.HasPrefix(pod.Name, "caller-") {
			pod.Status = corev1.PodStatus{Phase: corev1.PodRunning, PodIP: "10.0.0.1", ContainerStatuses: []corev1.ContainerStatus{
				{Name: callerName, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}},
			}}
		}
		return false, pod, nil
	})
	e := &Env{
		Client: f.client, Dynamic: f.dynamic, Image: "lab:1", Run: "run-a",
		Namespaces: cluster.Namespaces{{Role: "home", Name: "home"}, {Role: "elsewhere", Name: "elsewhere"}},
		Kinds:      []schema.GroupVersionKind{podKind, roleKind, roleBindingKind},
	}
	if files != nil {
		e.Submission = lay(t, files)
	}
	return e, f
}
