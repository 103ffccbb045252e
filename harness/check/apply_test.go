package check

import (
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	clienttesting "k8s.io/client-go/testing"

	"rolecall/harness/next"
)

func objectOf(kind schema.GroupVersionKind, name string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{Object: map[string]any{}}
	object.SetGroupVersionKind(kind)
	object.SetName(name)
	object.SetNamespace("home")
	return object
}

// status is an answer of an API server's.
func status(code int32, reason metav1.StatusReason, message string, causes ...metav1.StatusCause) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: code, Reason: reason, Message: message, Details: &metav1.StatusDetails{Causes: causes},
	}}
}

func TestWhoseFaultARefusalIs(t *testing.T) {
	pods := schema.GroupResource{Resource: "pods"}
	const nobody, learners, ours = "nobody", "learner's", "ours"
	for name, test := range map[string]struct {
		err              error
		here, shared     string
		admission, broke bool
		says             string
	}{
		"nothing":            {nil, nobody, nobody, false, false, ""},
		"unknown field":      {apierrors.NewBadRequest(`strict decoding error: unknown field "spec.x"`), learners, learners, false, false, `unknown field "spec.x"`},
		"invalid":            {apierrors.NewInvalid(podKind.GroupKind(), "a", field.ErrorList{field.Required(field.NewPath("spec"), "")}), learners, learners, false, false, "spec: Required value"},
		"PodSecurity":        {apierrors.NewForbidden(pods, "a", errors.New(`violates PodSecurity "baseline:latest": host namespaces`)), learners, learners, true, false, "host namespaces"},
		"no such class":      {apierrors.NewForbidden(pods, "a", errors.New("no PriorityClass with name x was found")), learners, ours, true, false, "PriorityClass"},
		"RBAC":               {apierrors.NewForbidden(pods, "a", errors.New(`User "x" cannot create resource "pods"`)), learners, ours, true, false, "cannot create"},
		"a webhook":          {status(400, "", `admission webhook "x" denied the request: no`), learners, ours, false, false, `"x" denied the request: no`},
		"a policy":           {status(422, metav1.StatusReasonInvalid, "ValidatingAdmissionPolicy 'x' denied request: no", metav1.StatusCause{Message: "no"}), learners, ours, false, false, "denied request: no"},
		"too large to send":  {apierrors.NewRequestEntityTooLargeError("limit is 3145728"), learners, learners, false, false, "Request entity too large"},
		"a conflict":         {apierrors.NewConflict(pods, "a", errors.New("precondition failed")), learners, ours, false, false, "precondition failed"},
		"too large to store": {status(500, metav1.StatusReasonInternalError, "etcdserver: request is too large"), learners, ours, false, false, "etcdserver: request is too large"},
		"a broken server":    {status(500, metav1.StatusReasonInternalError, "etcdserver: no leader"), ours, ours, false, true, "etcdserver: no leader"},
		"an end":             {apierrors.NewForbidden(pods, "a", errors.New("namespace home is being terminated")), "", "", false, false, ""},
		"too busy":           {apierrors.NewTooManyRequests("later", 1), ours, ours, false, false, "later"},
		"a timeout":          {apierrors.NewTimeoutError("slow", 1), ours, ours, false, false, "slow"},
		"not ready":          {apierrors.NewServiceUnavailable("not ready"), ours, ours, false, false, "not ready"},
		"no credential":      {apierrors.NewUnauthorized("who?"), ours, ours, false, false, "who?"},
		"no namespace":       {apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "home"), ours, ours, false, false, "not found"},
		"no connection":      {errors.New("connection refused"), ours, ours, false, false, "connection refused"},
	} {
		if name == "an end" { // the only one whose cause counts
			end := apierrors.NewForbidden(pods, "a", errors.New("namespace home is being terminated"))
			end.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
			test.err, test.here, test.shared, test.says = end, ours, ours, "being terminated"
		}
		for where, want := range map[string]string{"here": test.here, "shared": test.shared} {
			t.Run(name+", "+where, func(t *testing.T) {
				e, f := newEnv(t, nil)
				e.Shared = where == "shared"
				fail := func(clienttesting.Action) (bool, runtime.Object, error) { return test.err != nil, nil, test.err }
				f.dynamic.PrependReactor("create", "pods", fail)
				if test.broke {
					f.client.PrependReactor("create", "pods", fail)
				}
				_, err := e.Create(t.Context(), objectOf(podKind, "a"))
				refusal, refused := AsRefusal(err)
				_, costsPoints := AsFailure(err)
				assert.False(t, costsPoints, "the check words it")
				switch want {
				case nobody:
					assert.NoError(t, err)
				case learners:
					require.True(t, refused, "%v", err)
					assert.Contains(t, refusal.Message, test.says)
					assert.Equal(t, test.admission, refusal.Admission)
				case ours:
					require.Error(t, err)
					assert.False(t, refused)
					assert.ErrorContains(t, err, test.says)
					assert.NotEmpty(t, next.Of(err))
				}
			})
		}
	}
}

func TestWhatIsInTheWayIsNamedWithTheCommandThatDeletesIt(t *testing.T) {
	exists := func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewAlreadyExists(schema.GroupResource{}, "a")
	}
	for _, test := range []struct {
		kind       schema.GroupVersionKind
		name, next string
	}{
		{podKind, "web", `make kubectl ARGS="delete pod web -n home"`},
		{roleBindingKind, "system:x", `make kubectl ARGS="delete rolebinding system:x -n home"`},
		{roleKind, `a"; rm -rf ~; "`, "make reset"},
		{roleKind, "-n", "make reset"},
	} {
		e, f := newEnv(t, nil)
		f.dynamic.PrependReactor("create", "*", exists)
		_, err := e.Create(t.Context(), objectOf(test.kind, test.name))
		assert.ErrorContains(t, err, "there is one of that name already")
		assert.Equal(t, test.next, next.Of(err))
		assert.Equal(t, test.next, next.Of(e.DryRun(t.Context(), objectOf(test.kind, test.name))))
	}
	e, f := newEnv(t, nil)
	f.dynamic.PrependReactor("create", "*", exists)
	assert.NoError(t, e.DryRun(t.Context(), objectOf(clusterRoleKind, "view")), "nothing creates it, so nothing is in the way")
}

func TestOnlyKindsOfTheLabAreCreated(t *testing.T) {
	e, f := newEnv(t, nil)
	_, err := e.Create(t.Context(), objectOf(clusterRoleKind, "a"))
	assert.ErrorContains(t, err, "creating a ClusterRole: the lab does not say that it creates that kind")
	e.Creates = []schema.GroupVersionKind{podKind}
	_, err = e.Create(t.Context(), objectOf(roleKind, "a"))
	assert.ErrorContains(t, err, "creating a Role: the lab does not say that it creates that kind")
	assert.Empty(t, f.dynamic.Actions())
	e.Creates = []schema.GroupVersionKind{podKind, roleKind}
	_, err = e.Create(t.Context(), objectOf(roleKind, "a"))
	require.NoError(t, err)
}

func TestTheServersWordsAreWordsForPeople(t *testing.T) {
	const reads = `Pod in version "v1" cannot be handled as a Pod: `
	for message, want := range map[string]string{
		reads + `strict decoding error: unknown field "spec.x"`:                                                           `strict decoding error: unknown field "spec.x"`,
		reads + `json: cannot unmarshal string into Go struct field Container.spec.containers.command of type []string`:   "spec.containers.command is a string where a list of strings belongs",
		reads + `json: cannot unmarshal number into Go struct field EnvVar.spec.containers.env.value of type string`:      "spec.containers.env.value is a number where a string belongs",
		reads + `json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container`:       "spec.containers is a map where a list belongs",
		reads + `json: cannot unmarshal array into Go struct field Pod.spec of type v1.PodSpec`:                           "spec is a list where a map belongs",
		reads + `json: cannot unmarshal string into Go struct field ContainerPort.spec.ports.containerPort of type int32`: "spec.ports.containerPort is a string where a whole number belongs",
		reads + `json: cannot unmarshal bool into Go struct field ObjectMeta.metadata.labels of type string`:              "metadata.labels is true or false where a string belongs",
		"pods \"\x1b[2J\" is forbidden": `pods "\x1b[2J" is forbidden`,
	} {
		assert.Equal(t, want, words(metav1.Status{Message: message}))
	}
}

func TestKindsAreAskedForOnce(t *testing.T) {
	e, f := newEnv(t, nil)
	for range 3 {
		mapping, err := e.mapping(t.Context(), clusterRoleKind)
		require.NoError(t, err)
		assert.Equal(t, "clusterroles", mapping.Resource.Resource)
		assert.False(t, namespaced(mapping))
	}
	assert.Len(t, f.client.Actions(), 1)
	_, err := e.mapping(t.Context(), schema.GroupVersionKind{Version: "v1", Kind: "Secret"})
	assert.ErrorContains(t, err, "Secret")
	_, err = e.mapping(t.Context(), schema.GroupVersionKind{Group: "x", Version: "v1", Kind: "Y"})
	assert.Equal(t, int32(http.StatusNotFound), func() int32 {
		var answer apierrors.APIStatus
		require.ErrorAs(t, err, &answer)
		return answer.Status().Code
	}())
}
