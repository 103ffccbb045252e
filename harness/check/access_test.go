package check

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"

	"rolecall/harness/next"
)

func rule(verbs, groups, resources []string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{Verbs: verbs, APIGroups: groups, Resources: resources}
}

func TestPermissions(t *testing.T) {
	rules := []rbacv1.PolicyRule{
		rule([]string{"get", "list", "get"}, []string{""}, []string{"pods"}),
		{Verbs: []string{"get"}, APIGroups: []string{"apps"}, Resources: []string{"deployments"}, ResourceNames: []string{"a", "b"}},
		{Verbs: []string{"get"}, NonResourceURLs: []string{"/version"}},
	}
	assert.Equal(t, []Permission{
		{Verb: "get", Resource: "pods"}, {Verb: "list", Resource: "pods"},
		{Verb: "get", Group: "apps", Resource: "deployments", Name: "a"}, {Verb: "get", Group: "apps", Resource: "deployments", Name: "b"},
	}, Permissions(rules))
}

func TestBeyond(t *testing.T) {
	view := []rbacv1.PolicyRule{rule([]string{"get", "list"}, []string{""}, []string{"pods", "services"})}
	for name, test := range map[string]struct {
		granted []rbacv1.PolicyRule
		more    string
	}{
		"nothing":       {nil, ""},
		"the same":      {view, ""},
		"less":          {[]rbacv1.PolicyRule{rule([]string{"get"}, []string{""}, []string{"pods"})}, ""},
		"more":          {[]rbacv1.PolicyRule{rule([]string{"get", "delete"}, []string{""}, []string{"pods"})}, "delete pods"},
		"much more":     {[]rbacv1.PolicyRule{rule([]string{"get", "delete", "create"}, []string{""}, []string{"pods", "services"})}, "delete pods, and 3 more"},
		"all":           {[]rbacv1.PolicyRule{rule([]string{"*"}, []string{"*"}, []string{"*"})}, "* *.*"},
		"one by name":   {[]rbacv1.PolicyRule{{Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{"a"}}}, "get secrets named a"},
		"another group": {[]rbacv1.PolicyRule{rule([]string{"get"}, []string{"apps"}, []string{"pods"})}, "get pods.apps"},
		"a URL":         {[]rbacv1.PolicyRule{{Verbs: []string{"get"}, NonResourceURLs: []string{"/metrics"}}}, "get /metrics"},
	} {
		t.Run(name, func(t *testing.T) {
			more, err := Beyond(t.Context(), view, test.granted)
			require.NoError(t, err)
			if test.more == "" {
				assert.Empty(t, more)
				return
			}
			require.NotEmpty(t, more)
			assert.Equal(t, test.more, RulesText(more))
		})
	}
}

// TestAFewLinesThatStandForMillions are neither spelled out nor gone through
// once the answer is known, or nobody waits for it.
func TestAFewLinesThatStandForMillions(t *testing.T) {
	var words []string
	for i := range 190 {
		words = append(words, fmt.Sprintf("w%d", i))
	}
	bomb := []rbacv1.PolicyRule{rule(words, words, words)}
	began := time.Now()
	more, err := Beyond(t.Context(), nil, bomb)
	require.NoError(t, err)
	assert.Equal(t, "w0 w0.w0, and many more", RulesText(more))
	assert.Less(t, time.Since(began), time.Second)

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = Beyond(ctx, []rbacv1.PolicyRule{rule([]string{"*"}, []string{"*"}, []string{"*"})}, bomb)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Less(t, time.Since(began), 2*time.Second)
}

func TestMissingKeepsTheOrder(t *testing.T) {
	pods := []string{"pods"}
	all := []Permission{{Verb: "list", Resource: "pods"}, {Verb: "get", Resource: "pods/log"}, {Verb: "get", Resource: "pods"}, {Verb: "get", Resource: "pods", Name: "a"}, {Verb: "get", Group: "apps", Resource: "pods"}}
	for name, test := range map[string]struct {
		rules []rbacv1.PolicyRule
		want  []Permission
	}{
		"no rules":       {nil, all},
		"one verb":       {[]rbacv1.PolicyRule{rule([]string{"get"}, []string{""}, pods)}, []Permission{all[0], all[1], all[4]}},
		"two rules":      {[]rbacv1.PolicyRule{rule([]string{"list"}, []string{""}, pods), rule([]string{"get"}, []string{"", "apps"}, pods)}, []Permission{all[1]}},
		"subresources":   {[]rbacv1.PolicyRule{rule([]string{"get"}, []string{""}, []string{"*/log"})}, []Permission{all[0], all[2], all[3], all[4]}},
		"one name":       {[]rbacv1.PolicyRule{{Verbs: []string{"*"}, APIGroups: []string{""}, Resources: pods, ResourceNames: []string{"a"}}}, []Permission{all[0], all[1], all[2], all[4]}},
		"all but groups": {[]rbacv1.PolicyRule{rule([]string{"*"}, []string{""}, []string{"*"})}, []Permission{all[4]}},
		"all":            {[]rbacv1.PolicyRule{rule([]string{"*"}, []string{"*"}, []string{"*"})}, nil},
	} {
		assert.Equal(t, test.want, Missing(all, test.rules), name)
	}
}

// TestRulesForBelievesNoIncompleteAnswer: an authorizer that cannot list what
// it allows says so, and then nothing is known.
func TestRulesForBelievesNoIncompleteAnswer(t *testing.T) {
	rules := []authorizationv1.ResourceRule{{Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"pods"}}}
	for name, test := range map[string]struct {
		status authorizationv1.SubjectRulesReviewStatus
		err    string
	}{
		"complete":                {authorizationv1.SubjectRulesReviewStatus{ResourceRules: rules}, ""},
		"incomplete":              {authorizationv1.SubjectRulesReviewStatus{ResourceRules: rules, Incomplete: true, EvaluationError: "webhook authorizer does not support user rule resolution"}, "webhook authorizer does not support"},
		"incomplete, no reason":   {authorizationv1.SubjectRulesReviewStatus{Incomplete: true}, "it does not say why"},
		"an error":                {authorizationv1.SubjectRulesReviewStatus{ResourceRules: rules, EvaluationError: "webhook down"}, "webhook down"},
		"a role that is not here": {authorizationv1.SubjectRulesReviewStatus{ResourceRules: rules, EvaluationError: `clusterroles.rbac.authorization.k8s.io "x" not found`}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				assert.Equal(t, "system:serviceaccount:home:default", r.Header.Get("Impersonate-User"))
				w.Header().Set("Content-Type", "application/json")
				_ = json.NewEncoder(w).Encode(authorizationv1.SelfSubjectRulesReview{
					TypeMeta: metav1.TypeMeta{APIVersion: "authorization.k8s.io/v1", Kind: "SelfSubjectRulesReview"}, Status: test.status,
				})
			}))
			defer server.Close()
			e := &Env{Config: &rest.Config{Host: server.URL, ContentConfig: rest.ContentConfig{ContentType: "application/json"}}}
			got, err := e.RulesFor(t.Context(), ServiceAccount("home", "default"), "home")
			if test.err == "" {
				require.NoError(t, err)
				assert.Equal(t, []rbacv1.PolicyRule{rule([]string{"get"}, []string{""}, []string{"pods"})}, got)
				return
			}
			assert.ErrorContains(t, err, test.err)
			assert.NotEmpty(t, next.Of(err))
			_, learners := AsFailure(err)
			assert.False(t, learners)
		})
	}
}

func TestNoOtherAccess(t *testing.T) {
	binding := func(namespace, name string, labels map[string]string) *rbacv1.RoleBinding {
		return &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels}}
	}
	everybody := &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "all"}, Subjects: []rbacv1.Subject{{Kind: "Group", Name: "system:authenticated"}}}
	for name, test := range map[string]struct {
		objects    []runtime.Object
		says, next string
	}{
		"nothing":      {nil, "", ""},
		"the scene's":  {[]runtime.Object{binding("home", "a", map[string]string{"rolecall.local/place": "home"})}, "", ""},
		"elsewhere":    {[]runtime.Object{binding("kube-system", "a", nil)}, "", ""},
		"one":          {[]runtime.Object{binding("home", "mine", nil)}, "RoleBinding mine in home", `make kubectl ARGS="delete rolebinding mine -n home"`},
		"cluster-wide": {[]runtime.Object{everybody}, "ClusterRoleBinding all", `make kubectl ARGS="delete clusterrolebinding all"`},
		"several":      {[]runtime.Object{binding("home", "mine", nil), everybody}, "RoleBinding mine in home, ClusterRoleBinding all", "make reset"},
	} {
		t.Run(name, func(t *testing.T) {
			e, f := newEnv(t, nil)
			for _, object := range test.objects {
				require.NoError(t, f.client.Tracker().Add(object))
			}
			err := e.NoOtherAccess(t.Context())
			if test.says == "" {
				assert.NoError(t, err)
				return
			}
			assert.ErrorContains(t, err, test.says)
			assert.Equal(t, test.next, next.Of(err))
		})
	}
}
