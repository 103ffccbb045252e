package check

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"rolecall/harness/next"
)

// apiServer is an API server that knows /version and writes an audit log; before
// writes what happens just before a barrier's own event.
type apiServer struct {
	log    *json.Encoder
	before func(log *json.Encoder)
	mu     sync.Mutex // the log has one writer at a time
}

func (s *apiServer) RoundTrip(r *http.Request) (*http.Response, error) {
	uri := r.URL.RequestURI()
	go func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.before != nil {
			s.before(s.log)
		}
		for _, stage := range []auditv1.Stage{auditv1.StageRequestReceived, auditv1.StageResponseComplete} {
			_ = s.log.Encode(auditv1.Event{AuditID: types.UID(uri), RequestURI: uri, Stage: stage, Verb: "get", User: authenticationv1.UserInfo{Username: "kubernetes-admin"}})
		}
	}()
	body := io.NopCloser(strings.NewReader(`{"gitVersion":"v0.0.0"}`))
	return &http.Response{StatusCode: http.StatusOK, Request: r, Header: http.Header{"Content-Type": {"application/json"}}, Body: body}, nil
}

func follow(t *testing.T, before func(log *json.Encoder)) *Audit {
	reader, writer := io.Pipe()
	client, err := kubernetes.NewForConfig(&rest.Config{Transport: &apiServer{log: json.NewEncoder(writer), before: before}})
	require.NoError(t, err)
	return Follow(t.Context(), reader, client, "kubernetes-admin")
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
	audit := follow(t, func(log *json.Encoder) {
		for _, e := range happened {
			_ = log.Encode(e)
		}
		happened = nil
	})
	happened = []auditv1.Event{event("early", "/early", auditv1.StageResponseComplete)}
	require.NoError(t, audit.Mark(t.Context()))
	happened = []auditv1.Event{
		event("late", "/late", auditv1.StageRequestReceived),
		event("late", "/late", auditv1.StageResponseComplete),
	}
	seen, err := audit.Since(t.Context())
	require.NoError(t, err)
	require.Len(t, seen, 1)
	assert.Equal(t, "/late", seen[0].URI)
	assert.Equal(t, "10.244.0.7", seen[0].SourceIP, "a header that names another address is not believed")
	assert.Equal(t, "Forbidden", seen[0].StatusReason)
	assert.Equal(t, "forbid", seen[0].Decision)
}

func TestSinceWaitsForARequestThatIsUnderWay(t *testing.T) {
	round := 0
	audit := follow(t, func(log *json.Encoder) {
		if round++; round == 2 {
			_ = log.Encode(event("slow", "/slow", auditv1.StageRequestReceived))
			go func() { _ = log.Encode(event("slow", "/slow", auditv1.StageResponseComplete)) }()
		}
	})
	require.NoError(t, audit.Mark(t.Context()))
	seen, err := audit.Since(t.Context())
	require.NoError(t, err)
	assert.Len(t, seen, 1)
}

// TestOnlyOurOwnMarksAreLeftOut: a learner's request is evidence, whatever it
// looks like.
func TestOnlyOurOwnMarksAreLeftOut(t *testing.T) {
	var audit *Audit
	audit = follow(t, func(log *json.Encoder) {
		audit.mu.Lock()
		nonces := slices.Collect(maps.Keys(audit.barriers)) // a learner cannot know them, and even so
		audit.mu.Unlock()
		for _, nonce := range nonces {
			for _, uri := range []string{"/version?rolecall-barrier=" + nonce, "/api/v1/services?rolecall-barrier=" + nonce} {
				_ = log.Encode(event(uri, uri, auditv1.StageResponseComplete))
			}
		}
		_ = log.Encode(event("guess", "/api/v1/namespaces/default/services?rolecall-barrier=x", auditv1.StageResponseComplete))
	})
	require.NoError(t, audit.Mark(t.Context()))
	seen, err := audit.Since(t.Context())
	require.NoError(t, err)
	assert.Len(t, seen, 5, "of two barriers, and the guess")
	for _, r := range seen {
		assert.Equal(t, "system:serviceaccount:default:default", r.User)
	}
}

// TestARequestLeftOpenIsTheLearners: it costs the program that left it, and
// never makes an error of ours.
func TestARequestLeftOpenIsTheLearners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		round := 0
		audit := follow(t, func(log *json.Encoder) {
			if round++; round == 2 {
				_ = log.Encode(event("open", "/open", auditv1.StageRequestReceived))
			}
		})
		require.NoError(t, audit.Mark(t.Context()))
		_, err := audit.Since(t.Context())
		failure, learners := AsFailure(err)
		require.True(t, learners, "%v", err)
		assert.Equal(t, "one that was still open 10s later: system:serviceaccount:default:default: list services in default", failure.Got)
	})
}

// TestFloodsAreTheLearners: memory is bounded, however long the URIs are, and
// the next program starts afresh.
func TestFloodsAreTheLearners(t *testing.T) {
	audit := follow(t, nil)
	require.NoError(t, audit.Mark(t.Context()))
	long := RequestOf(event("x", "/"+strings.Repeat("x", 900_000), auditv1.StageResponseComplete))
	assert.Less(t, long.size(), 4096)
	assert.Contains(t, long.URI, "(cut)")
	audit.update(func() {
		for range maxRecord/1500 + 1 {
			audit.add(event("x", "/"+strings.Repeat("x", 2000), auditv1.StageResponseComplete))
		}
	})
	assert.LessOrEqual(t, audit.size, maxRecord)
	_, err := audit.Since(t.Context())
	failure, learners := AsFailure(err)
	require.True(t, learners, "%v", err)
	assert.Contains(t, failure.Got, "64 MiB")

	require.NoError(t, audit.Mark(t.Context()))
	seen, err := audit.Since(t.Context())
	require.NoError(t, err)
	assert.Empty(t, seen)
}

func TestABrokenLogIsOurError(t *testing.T) {
	reader, writer := io.Pipe()
	writer.CloseWithError(io.ErrUnexpectedEOF)
	client, err := kubernetes.NewForConfig(&rest.Config{Transport: &apiServer{log: json.NewEncoder(io.Discard)}})
	require.NoError(t, err)
	err = Follow(t.Context(), reader, client, "kubernetes-admin").Mark(t.Context())
	require.ErrorContains(t, err, "audit log")
	assert.Equal(t, "make status", next.Of(err))
	_, learners := AsFailure(err)
	assert.False(t, learners)
}

func TestALogThatShowsNothingIsOurError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader, _ := io.Pipe()
		client, err := kubernetes.NewForConfig(&rest.Config{Transport: &apiServer{log: json.NewEncoder(io.Discard)}})
		require.NoError(t, err)
		began := time.Now()
		err = Follow(t.Context(), reader, client, "kubernetes-admin").Mark(t.Context())
		require.ErrorContains(t, err, "did not show our own request within 10s")
		assert.Equal(t, 10*time.Second, time.Since(began))
	})
}

func TestACallerWithoutANameIsSaidSo(t *testing.T) {
	r := Request{Verb: "list", Resource: "services", Namespace: "default", Code: 401}
	assert.Equal(t, "a caller that the server does not know: list services in default → 401", r.String())
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
