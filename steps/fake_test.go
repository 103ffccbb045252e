package steps

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	discoveryfake "k8s.io/client-go/discovery/fake"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	clienttesting "k8s.io/client-go/testing"

	"rolecall/harness/check"
)

// viewRules are what the ClusterRole view grants in a fake cluster.
var viewRules = []rbacv1.PolicyRule{{Verbs: []string{"get", "list"}, APIGroups: []string{""}, Resources: []string{"pods", "services"}}}

// fakes are what stands in for a cluster.
type fakes struct {
	client  *fake.Clientset
	dynamic *dynamicfake.FakeDynamicClient
	rules   []authorizationv1.ResourceRule // that the authorizer says the account has
	granted []authorizationv1.ResourceRule // and once a RoleBinding is in the namespace
}

// obey makes the authorizer allow these verbs once a RoleBinding is stored.
func (f *fakes) obey(verbs ...string) {
	f.granted = []authorizationv1.ResourceRule{{Verbs: verbs, APIGroups: []string{""}, Resources: []string{"pods", "services"}}}
}

// allowed are the account's rules in a namespace.
func (f *fakes) allowed(namespace string) []authorizationv1.ResourceRule {
	bound := slices.ContainsFunc(f.dynamic.Actions(), func(action clienttesting.Action) bool {
		create, made := action.(clienttesting.CreateActionImpl)
		return made && create.GetResource().Resource == "rolebindings" && create.GetNamespace() == namespace && len(create.GetCreateOptions().DryRun) == 0
	})
	if bound {
		return slices.Concat(f.rules, f.granted)
	}
	return f.rules
}

// newEnv is an Env without a cluster, on a submission of one file.
func newEnv(t *testing.T, file, text string) (*check.Env, *fakes) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, file)), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644))
	submission, err := check.OpenSubmission(dir, nil)
	require.NoError(t, err)
	t.Cleanup(func() { submission.Close() })

	f := &fakes{
		client:  fake.NewSimpleClientset(&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "view"}, Rules: viewRules}),
		dynamic: dynamicfake.NewSimpleDynamicClient(scheme.Scheme),
	}
	f.client.Discovery().(*discoveryfake.FakeDiscovery).Resources = []*metav1.APIResourceList{
		{GroupVersion: "v1", APIResources: []metav1.APIResource{{Name: "pods", Kind: "Pod", Namespaced: true}}},
		{GroupVersion: "rbac.authorization.k8s.io/v1", APIResources: []metav1.APIResource{
			{Name: "roles", Kind: "Role", Namespaced: true}, {Name: "rolebindings", Kind: "RoleBinding", Namespaced: true},
			{Name: "clusterroles", Kind: "ClusterRole"}, {Name: "clusterrolebindings", Kind: "ClusterRoleBinding"},
		}},
	}
	f.dynamic.PrependReactor("create", "*", func(action clienttesting.Action) (bool, runtime.Object, error) {
		create := action.(clienttesting.CreateActionImpl)
		return len(create.GetCreateOptions().DryRun) > 0, create.GetObject(), nil
	})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // what an account asks for itself
		var review authorizationv1.SelfSubjectRulesReview
		assert.NoError(t, json.NewDecoder(r.Body).Decode(&review))
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(authorizationv1.SelfSubjectRulesReview{
			TypeMeta: metav1.TypeMeta{APIVersion: "authorization.k8s.io/v1", Kind: "SelfSubjectRulesReview"},
			Status:   authorizationv1.SubjectRulesReviewStatus{ResourceRules: f.allowed(review.Spec.Namespace)},
		})
	}))
	t.Cleanup(server.Close)
	return &check.Env{
		Config: &rest.Config{Host: server.URL, ContentConfig: rest.ContentConfig{ContentType: "application/json"}},
		Client: f.client, Dynamic: f.dynamic, Namespaces: Scene().Namespaces, Image: Scene().Image, Run: "run-a",
		Kinds: []schema.GroupVersionKind{podKind, roleKind, roleBindingKind}, Submission: submission,
	}, f
}

// serves makes the cluster serve one more kind, of the core group.
func (f *fakes) serves(resource, kind string) {
	core := f.client.Discovery().(*discoveryfake.FakeDiscovery).Resources[0]
	core.APIResources = append(core.APIResources, metav1.APIResource{Name: resource, Kind: kind, Namespaced: true})
}

// refuse makes the API server answer every create with an error.
func (f *fakes) refuse(err error) {
	f.dynamic.PrependReactor("create", "*", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, err })
}

// failureOf is the learner's failure that a check ended in.
func failureOf(t *testing.T, err error) check.Failure {
	t.Helper()
	failure, learners := check.AsFailure(err)
	require.True(t, learners, "%v", err)
	return *failure
}

// at is what stands at a failure's position in a file of that text, up to the
// line's end.
func at(t *testing.T, failure check.Failure, text string) string {
	t.Helper()
	lines := strings.Split(text, "\n")
	if failure.Position.Line == 0 {
		return ""
	}
	require.LessOrEqual(t, failure.Position.Line, len(lines))
	line := []rune(lines[failure.Position.Line-1])
	require.LessOrEqual(t, failure.Position.Column, len(line)+1)
	return string(line[failure.Position.Column-1:])
}
