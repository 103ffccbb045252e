package check

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// fakeServer is an API server that knows /version and writes an audit log; say
// writes what happens just before a barrier's own event.
func fakeServer(t *testing.T, before func(log *json.Encoder)) *Audit {
	reader, writer := io.Pipe()
	log := json.NewEncoder(writer)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"gitVersion":"v0.0.0"}`))
		uri := r.URL.String()
		go func() {
			if before != nil {
				before(log)
			}
			_ = log.Encode(event(uri, uri, auditv1.StageRequestReceived))
			_ = log.Encode(event(uri, uri, auditv1.StageResponseComplete))
		}()
	}))
	t.Cleanup(server.Close)
	client, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL})
	require.NoError(t, err)
	return Follow(t.Context(), reader, client)
}

func event(id, uri string, stage auditv1.Stage) auditv1.Event {
	return auditv1.Event{AuditID: types.UID(id), RequestURI: uri, Stage: stage, Verb: "list",
		ObjectRef:      &auditv1.ObjectReference{Resource: "services", Namespace: "default"},
		ResponseStatus: &metav1.Status{Code: 403, Reason: metav1.StatusReasonForbidden},
		SourceIPs:      []string{"10.0.0.99", "10.244.0.7"},
		User:           authenticationv1.UserInfo{Username: "system:serviceaccount:default:default"},
		Annotations:    map[string]string{"authorization.k8s.io/decision": "forbid"},
	}
}

func TestSinceSeesWhatEndedBetweenTheMarks(t *testing.T) {
	var happened []auditv1.Event
	audit := fakeServer(t, func(log *json.Encoder) {
		for _, e := range happened {
			_ = log.Encode(e)
		}
		happened = nil
	})
	happened = []auditv1.Event{event("early", "/early", auditv1.StageResponseComplete)}
	mark, err := audit.Mark(t.Context())
	require.NoError(t, err)
	happened = []auditv1.Event{
		event("late", "/late", auditv1.StageRequestReceived),
		event("late", "/late", auditv1.StageResponseComplete),
	}
	seen, err := audit.Since(t.Context(), mark)
	require.NoError(t, err)
	require.Len(t, seen, 1)
	assert.Equal(t, "/late", seen[0].URI)
	assert.Equal(t, "10.244.0.7", seen[0].SourceIP, "a header that names another address is not believed")
	assert.Equal(t, "Forbidden", seen[0].StatusReason)
	assert.Equal(t, "forbid", seen[0].Decision)
}

func TestSinceWaitsForARequestThatIsUnderWay(t *testing.T) {
	round := 0
	audit := fakeServer(t, func(log *json.Encoder) {
		if round++; round == 2 {
			_ = log.Encode(event("slow", "/slow", auditv1.StageRequestReceived))
			go func() { _ = log.Encode(event("slow", "/slow", auditv1.StageResponseComplete)) }()
		}
	})
	mark, err := audit.Mark(t.Context())
	require.NoError(t, err)
	seen, err := audit.Since(t.Context(), mark)
	require.NoError(t, err)
	assert.Len(t, seen, 1)
}

func TestABrokenLogIsOurError(t *testing.T) {
	reader, writer := io.Pipe()
	writer.CloseWithError(io.ErrUnexpectedEOF)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{}`)) }))
	defer server.Close()
	client, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL})
	require.NoError(t, err)
	_, err = Follow(t.Context(), reader, client).Mark(t.Context())
	require.ErrorContains(t, err, "audit log")
	_, learners := AsFailure(err)
	assert.False(t, learners)
}

func TestRequestsAreToldApart(t *testing.T) {
	all := Requests{
		{User: "system:anonymous", Verb: "list", Resource: "services", Namespace: "default", Code: 403},
		{User: "system:serviceaccount:default:default", Verb: "watch", Resource: "services", Namespace: "default", Code: 403},
		{User: "system:serviceaccount:default:default", Verb: "list", Resource: "services", Namespace: "other", Code: 403},
		{User: "system:serviceaccount:default:default", Verb: "list", Resource: "services/status", Namespace: "default", Code: 403},
		{User: "", Verb: "list", Resource: "services", Namespace: "default", Code: 401},
		{User: "kubernetes-admin", Verb: "create", Resource: "rolebindings", Code: 201},
		{User: "kubernetes-admin", Verb: "create", Resource: "rolebindings", Code: 409},
	}
	assert.Empty(t, all.Lists("services", "default").By("system:serviceaccount:default:default"))
	assert.Len(t, all.Lists("services", "default").Answered(403), 1)
	assert.Len(t, all[:5].WithCredential(), 4, "a refused token is a credential too")
	assert.Len(t, all.AccessChanges(), 1)
	assert.Equal(t, "no request from the pod at all", Requests{}.Summary())
}
