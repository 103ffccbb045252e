package evidence

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"k8s.io/client-go/kubernetes/fake"

	"rolecall/harness"
	"rolecall/harness/check"
	"rolecall/harness/next"
	"rolecall/harness/report"
)

var labs = []harness.Lab{{Slug: "token", Number: 2, Title: "A call", Checks: []harness.Check{
	{ID: "token.runs", Points: 8}, {ID: "token.authenticated", Points: 12},
}}}

// event is a request of a pod's as the API server wrote it.
func event(id, pod string) auditv1.Event {
	return auditv1.Event{
		TypeMeta: metav1.TypeMeta{Kind: "Event", APIVersion: "audit.k8s.io/v1"},
		AuditID:  types.UID(id), Stage: auditv1.StageResponseComplete, Verb: "list", RequestURI: "/api/v1/namespaces/default/services",
		User: authenticationv1.UserInfo{Username: "system:serviceaccount:default:default", Groups: []string{"system:authenticated"},
			Extra: map[string]authenticationv1.ExtraValue{"authentication.kubernetes.io/pod-uid": {pod}}},
		ObjectRef: &auditv1.ObjectReference{Resource: "services", Namespace: "default"}, SourceIPs: []string{"10.244.0.5"},
		ResponseStatus:           &metav1.Status{Code: 403},
		RequestReceivedTimestamp: metav1.NewMicroTime(time.Date(2026, 1, 2, 3, 4, 5, 678000, time.UTC)),
	}
}

// graded writes a result and its evidence, as spoil changed it before it was
// signed, and returns the directory and the key's folder.
func graded(t *testing.T, spoil func(r *harness.Result)) (out string, key *Key) {
	t.Helper()
	out = t.TempDir()
	key, err := OwnKey(t.TempDir())
	require.NoError(t, err)
	bundle, err := Create(filepath.Join(out, "evidence"))
	require.NoError(t, err)
	client := fake.NewClientset()
	var recorder harness.Recorder = bundle
	require.NoError(t, recorder.Begin(t.Context(), client, []string{"default"}))
	for _, pod := range []struct{ namespace, uid string }{{"default", "uid-1"}, {"kube-system", "uid-2"}} {
		_, err = client.CoreV1().Pods(pod.namespace).Create(t.Context(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: pod.uid, UID: types.UID(pod.uid), ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "x"}}}}, metav1.CreateOptions{})
		require.NoError(t, err)
	}
	e := event("audit-1", "uid-1")
	_, err = fmt.Fprintln(bundle.Audit(), `alf of an event that began before"}`)
	require.NoError(t, err)
	require.NoError(t, json.NewEncoder(bundle.Audit()).Encode(e))
	require.NoError(t, json.NewEncoder(bundle.Audit()).Encode(event("audit-2", "uid-2")))

	request := check.RequestOf(e)
	r := &harness.Result{StartedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Submission: "ada", Version: "v", Labs: []harness.LabResult{
		harness.NewLabResult(labs[0], []harness.CheckResult{
			{ID: "token.runs", Outcome: harness.Fail, MaxPoints: 8, Needs: []string{}, Evidence: []check.Evidence{{Object: "o"}}},
			{ID: "token.authenticated", Outcome: harness.Pass, Points: 12, MaxPoints: 12, Needs: []string{}, Evidence: []check.Evidence{{Request: &request}}},
		}, time.Second),
	}, Notes: []string{"n"}}
	r.Labs[0].Cleanup, r.Labs[0].Missing = "c", true
	r.Labs[0].Deeds = []check.Deed{{Request: check.RequestOf(event("audit-2", "uid-2")), Learners: true}}
	r.Sum()
	r.DurationMs = 1
	spoil(r)
	recorder.End(t.Context(), []harness.LabResult{{Checks: []harness.CheckResult{{Evidence: []check.Evidence{{Request: &check.Request{PodUID: "uid-1"}}}}}}})
	native, err := report.Native(r)
	require.NoError(t, err)
	require.NoError(t, bundle.Seal(r, native, key))
	require.NoError(t, report.WriteAs(out, r, nil))
	_, err = fmt.Fprintln(bundle.Audit(), "later")
	require.NoError(t, err, "who still follows the log writes into nothing")
	return out, key
}

func asIs(*harness.Result) {}

func TestVerify(t *testing.T) {
	out, key := graded(t, asIs)
	v, err := Verify(out, key, labs)
	require.NoError(t, err)
	assert.Equal(t, []int{1, 1, 12}, []int{v.Requests, v.Pods, v.Result.Points})
	assert.Equal(t, key.ID(), v.Manifest.Key)

	out, key = graded(t, func(r *harness.Result) { r.Labs[0].Deeds = nil })
	_, err = Verify(out, key, labs)
	require.NoError(t, err, "of an earlier rolecall")

	require.NoError(t, eachLine(filepath.Join(out, "evidence", podsFile), func(pod corev1.Pod) { assert.Empty(t, pod.ManagedFields) }))
}

// TestTamperedAfterGrading changes each file of a bundle in turn.
func TestTamperedAfterGrading(t *testing.T) {
	for name, says := range map[string]string{
		"results.json":            "was changed after grading",
		"evidence/results.json":   "results.json was changed",
		"evidence/audit.jsonl.gz": "audit.jsonl.gz was changed",
		"evidence/pods.jsonl.gz":  "pods.jsonl.gz was changed",
		"evidence/manifest.json":  "does not match",
		"evidence/manifest.sig":   "does not match",
	} {
		t.Run(name, func(t *testing.T) {
			out, key := graded(t, asIs)
			file := filepath.Join(out, name)
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			changed := []byte(strings.Replace(string(text), `"points": 12`, `"points": 20`, 1))
			if string(changed) == string(text) {
				changed = append([]byte{}, text...)
				changed[len(changed)-2] ^= 1
			}
			require.NoError(t, os.WriteFile(file, changed, 0o644))
			_, err = Verify(out, key, labs)
			assert.ErrorContains(t, err, says)
			require.NoError(t, os.Remove(file))
			_, err = Verify(out, key, labs)
			assert.Error(t, err)
		})
	}
}

// TestSignedNonsense is signed by the right key, and still proves nothing.
func TestSignedNonsense(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(r *harness.Result)
		says  string
	}{
		"points for a failure":     {func(r *harness.Result) { r.Labs[0].Checks[0].Points = 8 }, "adding up"},
		"a sum that is none":       {func(r *harness.Result) { r.Points = 20 }, "adding up"},
		"a better outcome":         {func(r *harness.Result) { r.Outcome = harness.Pass }, "adding up"},
		"a request nobody made":    {func(r *harness.Result) { r.Labs[0].Checks[1].Evidence[0].Request.AuditID = "audit-9" }, "not among them as it is cited"},
		"a deed nobody did":        {func(r *harness.Result) { r.Labs[0].Deeds[0].AuditID = "audit-9" }, "what rolecall did in Lab 2"},
		"a request made otherwise": {func(r *harness.Result) { r.Labs[0].Checks[1].Evidence[0].Request.Code = 200 }, "not among them as it is cited"},
		"a pod that never was": {func(r *harness.Result) {
			request := check.RequestOf(event("audit-2", "uid-2"))
			r.Labs[0].Checks[1].Evidence[0].Request = &request
		}, "uid-2, is not among them"},
		"a check worth more": {func(r *harness.Result) {
			r.Labs[0].Checks[1].MaxPoints, r.Labs[0].Checks[1].Points = 15, 15
			r.Labs[0] = harness.NewLabResult(labs[0], r.Labs[0].Checks, time.Second)
			r.Sum()
			r.DurationMs = 1
		}, "was worth 15 points"},
		"a check left out": {func(r *harness.Result) {
			r.Labs[0] = harness.NewLabResult(labs[0], r.Labs[0].Checks[1:], time.Second)
			r.Sum()
			r.DurationMs = 1
		}, "1 are missing"},
		"a check of another lab": {func(r *harness.Result) {
			r.Labs[0].Checks[0].ID = "role.manifest"
		}, "role.manifest is not one of them"},
	} {
		t.Run(name, func(t *testing.T) {
			out, key := graded(t, test.spoil)
			_, err := Verify(out, key, labs)
			assert.ErrorContains(t, err, test.says)
		})
	}
}

func TestAnotherKey(t *testing.T) {
	out, _ := graded(t, asIs)
	other, err := OwnKey(t.TempDir())
	require.NoError(t, err)
	_, err = Verify(out, other, labs)
	assert.Contains(t, next.Of(err), "KEY=file")
}

func TestOwnKeyIsMadeOnce(t *testing.T) {
	home := t.TempDir()
	ids := make([]string, 8)
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() {
			if key, err := OwnKey(home); assert.NoError(t, err) {
				ids[i] = key.ID()
			}
		})
	}
	all.Wait()
	for _, id := range ids {
		assert.Equal(t, ids[0], id)
	}
	info, err := os.Stat(filepath.Join(home, keyFile))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode())
	entries, err := os.ReadDir(home)
	require.NoError(t, err)
	for _, entry := range entries {
		assert.True(t, IsKey(entry.Name()), entry.Name())
	}

	public, err := ReadKey(filepath.Join(home, publicKeyFile))
	require.NoError(t, err)
	assert.Equal(t, ids[0], public.ID())
	assert.Nil(t, public.private)
	private, err := ReadKey(filepath.Join(home, keyFile))
	require.NoError(t, err)
	assert.True(t, ed25519.Verify(public.public, []byte("x"), ed25519.Sign(private.private, []byte("x"))))
	assert.Contains(t, next.Of(Manifest{}.sign(t.TempDir(), public)), "name a private one")
	assert.Equal(t, filepath.Join(home, publicKeyFile), public.File())
}

func TestReadKeyRefusesWhatIsNone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key.pem")
	require.NoError(t, os.WriteFile(file, []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), 0o600))
	_, err := ReadKey(file)
	assert.Contains(t, next.Of(err), "openssl genpkey -algorithm ed25519")
}
