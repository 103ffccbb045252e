package grade

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"k8s.io/client-go/rest"

	"rolecall/harness"
	"rolecall/harness/check"
	"rolecall/harness/cluster"
	"rolecall/harness/evidence"
	"rolecall/harness/report"
)

// server plays the parts of an API server that a run needs when its checks ask
// for nothing more: it has one node, lets pods be made, forbids everything to
// everybody, and keeps an audit log.
type server struct {
	*httptest.Server
	log   *io.PipeReader
	lines chan []byte // of the log, in their order

	mu       sync.Mutex
	pods     []corev1.Pod
	watchers []chan corev1.Pod
}

func newServer(t *testing.T) *server {
	s := &server{lines: make(chan []byte, 100)}
	log, events := io.Pipe()
	s.log = log
	go func() {
		for line := range s.lines {
			_, _ = events.Write(line)
		}
	}()
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.CloseClientConnections)
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	var answer any
	switch path := r.URL.Path; {
	case path == "/version":
		answer = map[string]string{"gitVersion": "v1.37.2"}
		s.saw(auditv1.Event{AuditID: types.UID("mark-" + r.URL.RawQuery), RequestURI: r.RequestURI})
	case path == "/api/v1":
		answer = metav1.APIResourceList{GroupVersion: "v1", APIResources: []metav1.APIResource{{Name: "pods", Kind: "Pod", Namespaced: true, Verbs: metav1.Verbs{"list", "delete"}}}}
	case r.URL.Query().Get("sendInitialEvents") != "":
		w.WriteHeader(http.StatusUnprocessableEntity) // clients then list first, as with older servers
		answer = metav1.Status{Status: metav1.StatusFailure, Reason: metav1.StatusReasonInvalid, Code: http.StatusUnprocessableEntity}
	case r.URL.Query().Get("watch") != "":
		s.watch(w, r)
		return
	case path == "/api/v1/nodes":
		answer = corev1.NodeList{Items: []corev1.Node{{Status: corev1.NodeStatus{NodeInfo: corev1.NodeSystemInfo{Architecture: "amd64"}}}}}
	case strings.HasSuffix(path, "/pods") && r.Method == http.MethodPost:
		w.WriteHeader(http.StatusCreated)
		answer = s.create(r)
	default: // an empty list, a deletion, a refusal
		answer = map[string]any{"apiVersion": "v1", "kind": "PodList", "metadata": map[string]string{"resourceVersion": "1"}, "items": []any{}, "status": map[string]bool{"allowed": false}}
		if r.Method == http.MethodDelete {
			answer = metav1.Status{Status: metav1.StatusSuccess}
		}
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func (s *server) create(r *http.Request) corev1.Pod {
	s.mu.Lock()
	defer s.mu.Unlock()
	var pod corev1.Pod
	_ = json.NewDecoder(r.Body).Decode(&pod)
	pod.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}
	pod.Namespace, pod.UID, pod.ResourceVersion = "default", types.UID(fmt.Sprintf("uid-%d", len(s.pods))), fmt.Sprint(len(s.pods)+2)
	s.pods = append(s.pods, pod)
	for _, w := range s.watchers {
		w <- pod
	}
	return pod
}

// watch shows every pod: a list never has one, so each was added after it.
func (s *server) watch(w http.ResponseWriter, r *http.Request) {
	added := make(chan corev1.Pod, 10)
	s.mu.Lock()
	for _, pod := range s.pods {
		added <- pod
	}
	s.watchers = append(s.watchers, added)
	s.mu.Unlock()
	w.(http.Flusher).Flush()
	for {
		select {
		case pod := <-added:
			_ = json.NewEncoder(w).Encode(map[string]any{"type": "ADDED", "object": pod})
			w.(http.Flusher).Flush()
		case <-r.Context().Done():
			return
		}
	}
}

// saw writes an event into the audit log.
func (s *server) saw(event auditv1.Event) {
	event.TypeMeta = metav1.TypeMeta{APIVersion: "audit.k8s.io/v1", Kind: "Event"}
	event.Stage = auditv1.StageResponseComplete
	line, _ := json.Marshal(event)
	s.lines <- append(line, '\n')
}

// played is the cluster around it.
type played struct {
	cluster.Owned // the rest, which is not asked

	*server
	ups, downs int
}

func (p *played) Exists() bool { return p.ups > p.downs }

func (p *played) Up(context.Context) error { p.ups++; return nil }
func (p *played) Config() *rest.Config {
	return &rest.Config{Host: p.URL, QPS: -1, ContentConfig: rest.ContentConfig{ContentType: "application/json"}}
}
func (p *played) Namespaces() cluster.Namespaces {
	return cluster.Namespaces{{Role: "home", Name: "default"}}
}
func (p *played) Name() string                                    { return "one" }
func (p *played) Provider() string                                { return "fake" }
func (p *played) Down(context.Context) error                      { p.downs++; return nil }
func (p *played) Logs(context.Context, string) error              { return nil }
func (p *played) AuditLog(context.Context) (io.ReadCloser, error) { return p.log, nil }

// labsOn are a lab whose pod calls, and one that was not handed in.
func labsOn(p *played) []harness.Lab {
	calls := func(ctx context.Context, e *check.Env) error {
		pod, err := e.Client.CoreV1().Pods("default").Create(ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "caller"}}, metav1.CreateOptions{})
		if err != nil {
			return err
		}
		seen, err := e.Witness(ctx, func() error {
			p.saw(auditv1.Event{AuditID: "call-1", Verb: "list", RequestURI: "/api/v1/namespaces/default/services",
				User: authenticationv1.UserInfo{Username: "system:serviceaccount:default:default", Extra: map[string]authenticationv1.ExtraValue{
					"authentication.kubernetes.io/pod-uid": {string(pod.UID)}}},
				ObjectRef: &auditv1.ObjectReference{Resource: "services", Namespace: "default"}, ResponseStatus: &metav1.Status{Code: 403}})
			return nil
		})
		if len(seen) > 0 {
			e.Saw(seen.Evidence()...)
		}
		return err
	}
	fails := func(context.Context, *check.Env) error {
		return &check.Failure{Want: "a file", Got: "no such file", Hint: "Write it."}
	}
	return []harness.Lab{
		{Slug: "pod", Number: 1, Title: "A pod", Checks: []harness.Check{{ID: "pod.calls", Points: 20, Run: calls}}},
		{Slug: "token", Number: 2, Title: "A call", Checks: []harness.Check{{ID: "token.runs", Points: 20, Run: fails}}},
	}
}

// TestGradeKeepsWhatVerdictsRestOn grades on an API server that is played:
// the result, the formats and the evidence agree, and the cluster goes.
func TestGradeKeepsWhatVerdictsRestOn(t *testing.T) {
	p := &played{server: newServer(t)}
	g := grader(t, p)
	g.Labs = labsOn(p)
	g.Course.Labs = labsOn(p)
	out := t.TempDir()
	result, err := g.Grade(t.Context(), submission(t), out)
	require.NoError(t, err)
	require.Equal(t, harness.Fail, result.Outcome, "%+v", result.Labs)
	assert.Equal(t, []int{20, 40}, []int{result.Points, result.MaxPoints})
	assert.Equal(t, []bool{false, true}, []bool{result.Labs[0].Missing, result.Labs[1].Missing}, "lab 2 was not handed in")
	assert.Equal(t, harness.ClusterFacts{Provider: "fake", Kubernetes: "v1.37.2", AuditLog: true}, result.Cluster)
	assert.Equal(t, []int{1, 2}, []int{p.ups, p.downs})

	v, err := evidence.Verify(out, g.Key, labsOn(p))
	require.NoError(t, err)
	assert.Equal(t, []int{1, 1, 20}, []int{v.Requests, v.Pods, v.Result.Points})
	assert.Equal(t, result.Digest, v.Manifest.Digest)
	written, err := report.Read(filepath.Join(out, "results.json"))
	require.NoError(t, err)
	assert.Equal(t, result, written)
}
