package labs_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"

	"rolecall/harness"
	"rolecall/harness/check"
	"rolecall/steps"
)

// hostile runs shell programs as learners' are run.
type hostile struct {
	*check.Env
	t *testing.T
}

func newHostile(t *testing.T) hostile {
	h := hostile{open(t, solutions(t)).Env, t}
	t.Cleanup(func() { assert.NoError(t, h.Clean(context.Background())) })
	return h
}

func (h hostile) caller() *check.Caller {
	h.t.Helper()
	c, err := h.StartCaller(h.t.Context(), h.Namespaces.Home, check.Genuine)
	require.NoError(h.t, err)
	return c
}

// run runs a script and returns what became of it.
func (h hostile) run(c *check.Caller, script string) *check.Run {
	h.t.Helper()
	dir := h.t.TempDir()
	require.NoError(h.t, os.MkdirAll(filepath.Join(dir, "lab-2"), 0o755))
	require.NoError(h.t, os.WriteFile(filepath.Join(dir, "lab-2/call.sh"), []byte(script), 0o644))
	program, err := open(h.t, dir).Env.Program(h.t.Context(), "lab-2", "call")
	require.NoError(h.t, err)
	run, err := h.RunIn(h.t.Context(), c, check.Genuine, program)
	require.NoError(h.t, err)
	return run
}

// unaffected holds the cluster to judge the next submission rightly.
func unaffected(t *testing.T) {
	t.Helper()
	step, _ := steps.Lab(3)
	result := open(t, solutions(t)).Runner(silent{}).RunStep(t.Context(), step)
	assert.Equal(t, harness.Pass, result.Outcome, "the next lab: %s", told(result))
}

// TestPodSeesNothingOfTheHost looks from inside a pod for what must not be
// seen from there.
func TestPodSeesNothingOfTheHost(t *testing.T) {
	needsOurs(t)
	h := newHostile(t)
	pod := h.caller()

	t.Run("files", func(t *testing.T) {
		name := "rolecall-secret-" + rand.String(12)
		for _, dir := range []string{wish.Home, os.TempDir()} {
			file := filepath.Join(dir, name)
			require.NoError(t, os.WriteFile(file, []byte("secret"), 0o644))
			t.Cleanup(func() { os.Remove(file) })
		}
		run := h.run(pod, "find / -name '"+name+"' -o -name kubeconfig -o -name 'audit.log*' -o -name '*.key' 2>/dev/null; cat "+filepath.Join(wish.Home, name))
		assert.Empty(t, run.Stdout)
		assert.Contains(t, run.Stderr, "No such file")
	})
	t.Run("processes", func(t *testing.T) {
		run := h.run(pod, "for p in /proc/[0-9]*; do tr '\\0\\n' '  ' <$p/cmdline; echo; done")
		for line := range strings.Lines(run.Stdout) {
			for _, host := range []string{"serve", "apiserver", "kubelet", "dockerd", "go test", "labs.test"} {
				assert.NotContains(t, line, host)
			}
		}
		assert.Less(t, strings.Count(run.Stdout, "\n"), 12, run.Stdout)
	})
	t.Run("environment", func(t *testing.T) {
		run := h.run(pod, "cat /proc/*/environ | tr '\\0' '\\n'; env")
		for _, ours := range []string{"GOPATH=", "GOCACHE=", "ROLECALL", "HOME=" + os.Getenv("HOME") + "/", "SSH_", wish.Home} {
			assert.NotContains(t, run.Stdout, ours)
		}
		assert.Contains(t, run.Stdout, "KUBERNETES_SERVICE_HOST=")
	})
	t.Run("services on the host's loopback device", func(t *testing.T) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "reached") }))
		defer server.Close()
		_, port, err := net.SplitHostPort(server.Listener.Addr().String())
		require.NoError(t, err)
		run := h.run(pod, "for a in 127.0.0.1 localhost '[::1]' 0.0.0.0; do curl -s -m 2 http://$a:"+port+"; done; curl -sk -m 2 https://"+strings.TrimPrefix(lab.Config().Host, "https://")+"/version")
		assert.Empty(t, run.Stdout)
	})
	t.Run("other pods' files", func(t *testing.T) {
		name := "rolecall-" + rand.String(12)
		other := h.caller()
		require.Equal(t, 0, h.run(other, "echo secret >/tmp/"+name).ExitStatus)
		assert.Equal(t, "secret\n", h.run(other, "cat /tmp/"+name).Stdout, "it stays where it is")
		assert.Empty(t, h.run(pod, "find / -name '"+name+"' 2>/dev/null").Stdout)
	})
	t.Run("other pods' processes", func(t *testing.T) {
		other := h.caller()
		require.Equal(t, 0, h.run(other, "true").ExitStatus)
		h.run(pod, "kill -9 -1")
		assert.Equal(t, 0, h.run(other, "true").ExitStatus)
	})
}

// TestHostileProgramsHarmNobodyElse ends a program for each thing that it may
// try to exhaust; the cluster judges the next submission as if nothing was.
func TestHostileProgramsHarmNobodyElse(t *testing.T) {
	needsOurs(t)
	for name, test := range map[string]struct {
		script string
		ended  func(*check.Run) bool
	}{
		"fork bomb":       {"f() { f | f & }; f; sleep 60", func(r *check.Run) bool { return r.Ended() != nil || r.ExitStatus != 0 }},
		"memory hog":      {"tail /dev/zero", func(r *check.Run) bool { return r.Killed || r.ExitStatus != 0 }},
		"disk filler":     {"dd if=/dev/zero of=/tmp/full bs=1M count=2000", func(r *check.Run) bool { return r.ExitStatus != 0 }},
		"endless output":  {"yes", func(r *check.Run) bool { return r.TooMuch }},
		"kills all":       {"kill -9 -1; echo still here", func(r *check.Run) bool { return r.Gone || r.ExitStatus != 0 || r.Stdout != "still here\n" }},
		"stops all":       {"kill -STOP -1; sleep 1", func(r *check.Run) bool { return true }},
		"leaves a daemon": {"(while :; do :; done) & (setsid sleep 1000 &) ; exit 0", func(r *check.Run) bool { return r.Left }},
		"opens all files": {"i=3; while [ $i -lt 100000 ]; do eval \"exec $i</dev/null\" || exit 1; i=$((i+1)); done", func(r *check.Run) bool { return r.ExitStatus != 0 || r.TimedOut }},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHostile(t)
			began := time.Now()
			run := h.run(h.caller(), test.script)
			assert.True(t, test.ended(run), "exit status %d, stdout %.100q, stderr %.100q", run.ExitStatus, run.Stdout, run.Stderr)
			assert.Less(t, time.Since(began), time.Minute)
			unaffected(t)
		})
	}
}

// TestEmbeddedPodFillsItsOwnDiskOnly fills the root of a pod that, unlike ours,
// may be written to. A kind node's disk is the engine's.
func TestEmbeddedPodFillsItsOwnDiskOnly(t *testing.T) {
	onlyEmbedded(t)
	h := newHostile(t)
	pod, err := h.Client.CoreV1().Pods("default").Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "filler", Labels: map[string]string{check.RunLabel: h.Run}},
		Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever,
			Containers: []corev1.Container{{
				Name: "filler", Image: check.LabImage,
				Command: []string{"sh", "-c", "for d in / /tmp /var /dev/shm /run; do dd if=/dev/zero of=$d/full bs=1M count=2000; done; du -sm / | cut -f1"},
			}},
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	ended, err := check.Eventually(t.Context(), time.Minute, 200*time.Millisecond, func(ctx context.Context) (bool, error) {
		pod, err = h.Client.CoreV1().Pods("default").Get(ctx, "filler", metav1.GetOptions{})
		return err == nil && pod.Status.Phase == corev1.PodSucceeded, err
	})
	require.NoError(t, err)
	require.True(t, ended, check.PodState(pod))
	assert.Contains(t, h.PodLog(t.Context(), "default", "filler", "filler"), "No space left on device")
	unaffected(t)
}
