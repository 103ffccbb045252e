package check

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"k8s.io/client-go/rest"
)

// changeOf is the event of a change that this program made.
func changeOf(verb, resource, name string) auditv1.Event {
	return auditv1.Event{
		AuditID: types.UID(verb + " " + resource + " " + name), Stage: auditv1.StageResponseComplete, Verb: verb,
		RequestURI: "/api/v1/namespaces/home/" + resource,
		User:       authenticationv1.UserInfo{Username: "kubernetes-admin"}, UserAgent: rest.DefaultKubernetesUserAgent(),
		ObjectRef:      &auditv1.ObjectReference{Resource: resource, Namespace: "home", Name: name},
		ResponseStatus: &metav1.Status{Code: 201},
	}
}

func TestDeedsAreWhatWeChanged(t *testing.T) {
	trial := changeOf("create", "pods", "trial")
	trial.RequestURI += "?dryRun=All"
	refused := changeOf("create", "pods", "refused")
	refused.ResponseStatus.Code = 403
	command := changeOf("create", "pods", "exec")
	command.ObjectRef.Subresource = "exec"
	by := func(user, agent string) auditv1.Event {
		e := changeOf("create", "pods", "other")
		e.User.Username, e.UserAgent = user, agent
		return e
	}
	happened := []auditv1.Event{
		changeOf("create", "rolebindings", "learners"), changeOf("create", "services", "planted"), changeOf("delete", "services", "planted"),
		changeOf("create", "pods", "swept"), changeOf("delete", "pods", "swept"),
		changeOf("get", "pods", "asked"), changeOf("list", "pods", ""), changeOf("create", "subjectaccessreviews", ""), trial, refused, command,
		by("kubernetes-admin", "kubectl/v1.37.2"), by("system:serviceaccount:home:default", rest.DefaultKubernetesUserAgent()),
	}
	audit := follow(t, func(log *json.Encoder) {
		for _, e := range happened {
			_ = log.Encode(e)
		}
		happened = nil
	})
	object := func(name string) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"namespace": "home", "name": name}}}
	}
	e := &Env{Audit: audit}
	e.note(&e.given, "rolebindings", object("learners"))
	e.note(&e.deleted, "pods", object("swept"))
	var told []string
	for _, deed := range e.Deeds(t.Context()) {
		told = append(told, deed.AuditID)
		assert.Equal(t, deed.Name == "learners", deed.Learners, deed.AuditID)
	}
	assert.Equal(t, []string{"create rolebindings learners", "create services planted", "delete services planted", "create pods swept"}, told)
	assert.Empty(t, e.Deeds(t.Context()), "each is told once")
	assert.Empty(t, (&Env{}).Deeds(t.Context()), "without an audit log")
}

func TestAttendWaitsOnceUntilTheLogIsFollowed(t *testing.T) {
	asked := 0
	e := &Env{Audit: follow(t, func(*json.Encoder) { asked++ })}
	e.Attend(t.Context())
	assert.True(t, e.attended)
	e.Attend(t.Context())
	assert.Equal(t, 1, asked)
	(&Env{}).Attend(t.Context()) // without an audit log
}

// TestDeedsWaitForNobody: a learner's request that stays open is none of theirs.
func TestDeedsWaitForNobody(t *testing.T) {
	begun := false
	audit := follow(t, func(log *json.Encoder) {
		if !begun {
			begun = true
			_ = log.Encode(event("open", "/open", auditv1.StageRequestReceived))
			_ = log.Encode(changeOf("create", "pods", "a"))
		}
	})
	assert.Len(t, (&Env{Audit: audit}).Deeds(t.Context()), 1)
}

func TestDeedsAreBounded(t *testing.T) {
	begun := false
	audit := follow(t, func(log *json.Encoder) {
		for i := 0; i < 3*maxDeeds && !begun; i++ {
			_ = log.Encode(changeOf("create", "pods", "a"))
		}
		begun = true
	})
	assert.Len(t, (&Env{Audit: audit}).Deeds(t.Context()), maxDeeds)
}

func TestADeedIsARequestWithAWordMore(t *testing.T) {
	text, err := json.Marshal(Deed{RequestOf(changeOf("create", "pods", "a")), true})
	require.NoError(t, err)
	var fields map[string]any
	require.NoError(t, json.Unmarshal(text, &fields))
	assert.Equal(t, "create", fields["verb"])
	assert.Equal(t, true, fields["learners"])
}
