package e2e_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/apimachinery/pkg/util/wait"

	"rolecall/harness/check"
)

// hostile runs shell programs as learners' are run.
type hostile struct {
	*check.Env
	dir string // a submission
}

// hostile runs do with programs in a cluster.
func (b testbed) hostile(t *testing.T, do func(h hostile)) {
	t.Helper()
	dir := solutions(t)
	require.NoError(t, b.inside(t.Context(), dir, func(_ context.Context, e *check.Env) error {
		do(hostile{e, dir})
		return nil
	}))
}

func (h hostile) caller(t *testing.T) *check.Caller {
	t.Helper()
	c, err := h.StartCaller(t.Context(), h.Namespaces.Home(), "default", check.Genuine)
	require.NoError(t, err)
	return c
}

// run runs a script and returns what became of it.
func (h hostile) run(t *testing.T, c *check.Caller, script string) *check.Run {
	t.Helper()
	folder, err := os.MkdirTemp(h.dir, "hostile-")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "call.sh"), []byte(script), 0o644))
	program, err := h.Program(t.Context(), filepath.Base(folder), "call")
	require.NoError(t, err)
	run, err := h.RunIn(t.Context(), c, program)
	require.NoError(t, err)
	return run
}

// TestPodSeesNothingOfTheHost looks from inside a pod for what must not be
// seen from there.
func TestPodSeesNothingOfTheHost(t *testing.T) {
	b := bed(t)
	b.hostile(t, func(h hostile) { h.seesNothing(t, b.Config().Host) })
}

func (h hostile) seesNothing(t *testing.T, apiServer string) {
	pod := h.caller(t)

	t.Run("files", func(t *testing.T) {
		name := "rolecall-secret-" + rand.String(12)
		for _, dir := range []string{fix.options.Home, os.TempDir()} {
			file := filepath.Join(dir, name)
			require.NoError(t, os.WriteFile(file, []byte("secret"), 0o644))
			t.Cleanup(func() { os.Remove(file) })
		}
		run := h.run(t, pod, "find / -name '"+name+"' -o -name kubeconfig -o -name 'audit.log*' -o -name '*.key' 2>/dev/null; cat "+filepath.Join(fix.options.Home, name))
		assert.Empty(t, run.Stdout)
		assert.Contains(t, run.Stderr, "No such file")
	})
	t.Run("processes", func(t *testing.T) {
		run := h.run(t, pod, "for p in /proc/[0-9]*; do tr '\\0\\n' '  ' <$p/cmdline; echo; done")
		for line := range strings.Lines(run.Stdout) {
			for _, host := range []string{"serve", "apiserver", "kubelet", "dockerd", "go test", "e2e.test"} {
				assert.NotContains(t, line, host)
			}
		}
		assert.Less(t, strings.Count(run.Stdout, "\n"), 12, run.Stdout)
	})
	t.Run("environment", func(t *testing.T) {
		run := h.run(t, pod, "cat /proc/*/environ | tr '\\0' '\\n'; env")
		for _, ours := range []string{"GOPATH=", "GOCACHE=", "ROLECALL", "HOME=" + os.Getenv("HOME") + "/", "SSH_", fix.options.Home} {
			assert.NotContains(t, run.Stdout, ours)
		}
		assert.Contains(t, run.Stdout, "KUBERNETES_SERVICE_HOST=")
	})
	t.Run("services on the host's loopback device", func(t *testing.T) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "reached") }))
		defer server.Close()
		_, port, err := net.SplitHostPort(server.Listener.Addr().String())
		require.NoError(t, err)
		run := h.run(t, pod, "for a in 127.0.0.1 localhost '[::1]' 0.0.0.0; do curl -s -m 2 http://$a:"+port+"; done; curl -sk -m 2 https://"+strings.TrimPrefix(apiServer, "https://")+"/version")
		assert.Empty(t, run.Stdout)
	})
	t.Run("other pods' files", func(t *testing.T) {
		name := "rolecall-" + rand.String(12)
		other := h.caller(t)
		require.Equal(t, 0, h.run(t, other, "echo secret >/tmp/"+name).ExitStatus)
		assert.Equal(t, "secret\n", h.run(t, other, "cat /tmp/"+name).Stdout, "it stays where it is")
		assert.Empty(t, h.run(t, pod, "find / -name '"+name+"' 2>/dev/null").Stdout)
	})
	t.Run("other pods' processes", func(t *testing.T) {
		other := h.caller(t)
		require.Equal(t, 0, h.run(t, other, "true").ExitStatus)
		h.run(t, pod, "kill -9 -1")
		assert.Equal(t, 0, h.run(t, other, "true").ExitStatus)
	})
}

// program is a hostile one, and how its run should end.
type program struct {
	script string
	ended  func(*check.Run) bool // nil where any end will do
}

// left is the end of a program that leaves processes running. They are ended in
// any case; without a /proc nobody sees that there were any.
func left(r *check.Run) bool { return r.LeftProcesses || strings.Contains(r.Stdout, "no /proc") }

// soon are hostile programs that end soon, late those that take all the time
// that there is.
var (
	soon = map[string]program{
		"memory hog":                       {"tail /dev/zero", func(r *check.Run) bool { return r.OutOfMemory || r.ExitStatus != 0 }},
		"disk filler":                      {"dd if=/dev/zero of=/tmp/full bs=1M count=2000", func(r *check.Run) bool { return r.ExitStatus != 0 }},
		"endless output":                   {"yes", func(r *check.Run) bool { return r.OutputTooLong }},
		"kills all":                        {"kill -9 -1; echo still here", func(r *check.Run) bool { return r.ShellKilled || r.ExitStatus != 0 || r.Stdout != "still here\n" }},
		"leaves a daemon":                  {"[ -e /proc/1 ] || echo no /proc; (while :; do :; done) & (setsid sleep 1000 &) ; exit 0", left},
		"leaves a daemon of our name":      {"[ -e /proc/1 ] || echo no /proc; (setsid sh -c 'printf timeout >/proc/$$/comm; while :; do :; done' &); exit 0", left},
		"hops from process to process":     {"[ -e /proc/1 ] || echo no /proc; h() { h & exit 0; }; (h &); exit 0", left},
		"bursts":                           {"[ -e /proc/1 ] || echo no /proc; i=0; while [ $i -lt 100 ]; do sleep 0.2 & i=$((i+1)); done; exit 0", left},
		"looks into the wrapper":           {"for f in environ mem fd maps; do cat /proc/$PPID/$f >/dev/null 2>&1 && echo $f; ls /proc/$PPID/$f/0 2>/dev/null; done; true", func(r *check.Run) bool { return r.Ended() == nil && r.Stdout == "" }},
		"ends with the wrapper's statuses": {"exit 252", func(r *check.Run) bool { return r.Ended() == nil && r.ExitStatus == 250 }},
		"opens all files":                  {"i=3; while [ $i -lt 100000 ]; do eval \"exec $i</dev/null\" || exit 1; i=$((i+1)); done", func(r *check.Run) bool { return r.ExitStatus != 0 || r.TimedOut }},
	}
	late = map[string]program{
		"fork bomb":                      {"f() { f | f & }; f; sleep 60", func(r *check.Run) bool { return r.Ended() != nil || r.ExitStatus != 0 }},
		"stops all":                      {"kill -STOP -1; sleep 1", nil},
		"reads how the wrapper ends":     {"tr '\\0' '\\n' </proc/$PPID/cmdline; tr '\\0' '\\n' </proc/$PPID/cmdline >&2; while :; do :; done", func(r *check.Run) bool { return r.TimedOut }},
		"ends the wrapper and goes on":   {"trap '' TERM HUP; kill -TERM $PPID; while :; do :; done", func(r *check.Run) bool { return r.Ended() != nil }},
		"kills the wrapper and goes on":  {"kill -KILL $PPID; while :; do :; done", func(r *check.Run) bool { return r.Ended() != nil }},
		"closes its streams and goes on": {"(setsid sh -c 'exec >&- 2>&- <&-; kill -KILL '$PPID'; while :; do :; done' &); sleep 30", func(r *check.Run) bool { return r.Ended() != nil }},
	}
)

// TestHostileProgramsHarmNobodyElse ends a program for each thing that it may
// try to exhaust; the cluster judges the next submission as if nothing was.
func TestHostileProgramsHarmNobodyElse(t *testing.T) {
	b := bed(t)
	for name, p := range soon {
		t.Run(name, func(t *testing.T) {
			b.hostile(t, func(h hostile) { h.ends(t, p) })
			b.passes(t, 3)
		})
	}
	b.hostile(t, func(h hostile) {
		t.Run("at once", func(t *testing.T) {
			for name, p := range late {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					h.ends(t, p)
				})
			}
		})
	})
	b.passes(t, 3)
}

// ends runs a program in a pod of its own and holds it to its end.
func (h hostile) ends(t *testing.T, p program) {
	t.Helper()
	began := time.Now()
	run := h.run(t, h.caller(t), p.script)
	assert.True(t, p.ended == nil || p.ended(run), "exit status %d, stdout %.100q, stderr %.100q", run.ExitStatus, run.Stdout, run.Stderr)
	assert.Less(t, time.Since(began), time.Minute)
}

// TestPodsAreConfinedWithoutAsking runs a pod that asks for no security at all.
// What it then cannot do prints nothing.
func TestPodsAreConfinedWithoutAsking(t *testing.T) {
	b := bed(t)
	b.hostile(t, func(h hostile) {
		log, ended := h.podLog(t, corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever,
			Containers: []corev1.Container{{
				Name: "shell", Image: h.Image,
				Command: []string{"sh", "-c", `
					unshare -U true 2>/dev/null && echo "made a user namespace"
					touch /var/run/secrets/kubernetes.io/serviceaccount/x 2>/dev/null && echo "wrote beside its token"
					echo ended`},
			}},
		})
		assert.Equal(t, "ended\n", log)
		assert.Equal(t, corev1.PodSucceeded, ended)
	})
}

// podLog runs a pod to its end and returns what it printed, and how it ended.
func (h hostile) podLog(t *testing.T, spec corev1.PodSpec) (string, corev1.PodPhase) {
	t.Helper()
	pods := h.Client.CoreV1().Pods(h.Namespaces.Home())
	pod, err := pods.Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "hostile-", Labels: map[string]string{check.RunLabel: h.Run}}, Spec: spec,
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	err = wait.PollUntilContextTimeout(t.Context(), 200*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		pod, err = pods.Get(ctx, pod.Name, metav1.GetOptions{})
		return err == nil && (pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed), err
	})
	require.NoError(t, err, pod.Status)
	log, err := pods.GetLogs(pod.Name, &corev1.PodLogOptions{}).DoRaw(t.Context())
	require.NoError(t, err)
	return string(log), pod.Status.Phase
}

// TestEmbeddedPodFillsItsOwnDiskOnly fills the root of a pod that, unlike ours,
// may be written to. A kind node's disk is the engine's.
func TestEmbeddedPodFillsItsOwnDiskOnly(t *testing.T) {
	b := only(t, "embedded")
	b.hostile(t, func(h hostile) {
		log, ended := h.podLog(t, corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever,
			Containers: []corev1.Container{{
				Name: "filler", Image: h.Image,
				Command: []string{"sh", "-c", "for d in / /tmp /var /dev/shm /run; do dd if=/dev/zero of=$d/full bs=1M count=2000; done; du -sm / | cut -f1"},
			}},
		})
		if ended == corev1.PodSucceeded { // a chroot has no file system of its own: it is ended
			assert.Contains(t, log, "No space left on device")
		}
	})
	b.passes(t, 3)
}

// TestForgedCredentialsLookGenuine compares what a program finds in the callers
// whose token or ca.crt is forged with what Kubernetes mounts.
func TestForgedCredentialsLookGenuine(t *testing.T) {
	b := bed(t)
	b.hostile(t, func(h hostile) {
		found, named := map[check.Credential][]string{}, "" // the last one's
		for _, credential := range []check.Credential{check.Genuine, check.ForeignCA, check.ForeignToken} {
			caller, err := h.StartCaller(t.Context(), h.Namespaces.Home(), "default", credential)
			require.NoError(t, err)
			run := h.run(t, caller, "cd "+check.ServiceAccountPath+" && ls -l . ..data/ | sed 's/ [0-9]* [A-Z][a-z][a-z] .* / /' && echo @ && cat token && echo @ && cat ca.crt")
			require.Equal(t, 0, run.ExitStatus, run.Stderr)
			found[credential] = strings.Split(run.Stdout, "@\n")
			require.Len(t, found[credential], 3)
			named = caller.Name
		}
		genuine, ca, token := found[check.Genuine], found[check.ForeignCA], found[check.ForeignToken]
		assert.NotEqual(t, genuine[2], ca[2])
		assert.InDelta(t, len(genuine[2]), len(ca[2]), 8, "a signature of ECDSA may be two bytes shorter")
		assert.Equal(t, genuine[2], token[2])

		was, is := strings.Split(genuine[1], "."), strings.Split(token[1], ".")
		require.Len(t, is, 3)
		assert.Equal(t, was[0], is[0], "the header")
		assert.Len(t, token[1], len(genuine[1]))
		shape := func(part string) []string {
			text, err := base64.RawURLEncoding.DecodeString(part)
			require.NoError(t, err)
			return regexp.MustCompile(`"[^"]*":`).FindAllString(string(text), -1)
		}
		assert.Equal(t, shape(was[1]), shape(is[1]), "the claims")
		text, err := base64.RawURLEncoding.DecodeString(is[1])
		require.NoError(t, err)
		assert.Contains(t, string(text), `"`+named+`"`, "the pod's own name")
	})
}
