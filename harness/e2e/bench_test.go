package e2e_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"rolecall/harness"
	"rolecall/harness/check"
)

// measured is the lab that benchmarks run: with callers in two namespaces it
// does most of all.
const measured = 3

// BenchmarkLab is the whole command on a solution, beside its parts and beside
// one bare pod from creation to Ready, the least that any check with a pod can
// take; on the cluster and, in the same run, on the one beside.
func BenchmarkLab(b *testing.B) {
	for _, bed := range testbeds(b) {
		b.Run(bed.Provider(), func(b *testing.B) {
			dir := solutions(b)
			b.Run("command", func(b *testing.B) {
				for b.Loop() {
					out, err := bed.rolecall(b, "lab", number(lab(b, measured)), "--submission", dir).CombinedOutput()
					require.NoError(b, err, "%s", out)
				}
			})
			b.Run("engine", func(b *testing.B) {
				for b.Loop() {
					result, err := bed.run(b.Context(), []harness.Lab{lab(b, measured)}, dir)
					require.NoError(b, err)
					require.Equal(b, harness.Pass, result.Outcome, words(result.Labs[0]))
				}
			})
			b.Run("save", func(b *testing.B) { bed.saves(b, dir) })
			require.NoError(b, bed.inside(b.Context(), dir, func(_ context.Context, e *check.Env) error {
				parts(b, e)
				return nil
			}))
		})
	}
}

// thinks is how long a learner takes at least between a verdict and the next
// save.
const thinks = 5 * time.Second

// saves is how long it takes from a save to the whole verdict of a watcher.
func (bed testbed) saves(b *testing.B, dir string) {
	c := &command{Cmd: bed.rolecall(b, "watch", number(lab(b, measured)), "--submission", dir), said: &strings.Builder{}}
	out, err := c.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, c.Start())
	defer c.status()
	defer func() { _ = c.Process.Signal(syscall.SIGINT) }()
	c.lines = bufio.NewScanner(out)
	const told = "Waiting for a change"
	c.until(b, told)
	program := filepath.Join(dir, lab(b, measured).Folder(), "call.sh")
	text, err := os.ReadFile(program)
	require.NoError(b, err)
	var took []time.Duration
	for b.Loop() {
		b.StopTimer()
		time.Sleep(thinks)
		b.StartTimer()
		began := time.Now()
		require.NoError(b, os.WriteFile(program, fmt.Appendf(text, "# %d\n", len(took)), 0o755))
		c.until(b, told)
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Milliseconds()), "ms(median)")
}

// parts are what a lab's time goes into.
func parts(b *testing.B, e *check.Env) {
	home, viewer := e.Namespaces.Home(), e.Namespaces.Of("viewer")
	pods := e.Client.CoreV1().Pods(home)
	b.Run("bare pod", func(b *testing.B) {
		for b.Loop() {
			pod, err := pods.Create(b.Context(), &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{GenerateName: "bare-", Labels: map[string]string{check.RunLabel: e.Run}},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "bare", Image: e.Image, Command: []string{"sleep", "3600"}}}},
			}, metav1.CreateOptions{})
			require.NoError(b, err)
			require.NoError(b, ready(b.Context(), e, pod))
			b.StopTimer()
			require.NoError(b, pods.Delete(b.Context(), pod.Name, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}))
			b.StartTimer()
		}
	})
	program, err := e.Program(b.Context(), "lab-3", "call")
	require.NoError(b, err)
	var caller *check.Caller
	b.Run("part: pods", func(b *testing.B) {
		for b.Loop() {
			var callers []*check.Caller
			for _, where := range []struct {
				namespace  string
				credential check.Credential
			}{{home, check.Genuine}, {home, check.ForeignToken}, {home, check.ForeignCA}, {viewer, check.Genuine}} {
				caller, err = e.StartCaller(b.Context(), where.namespace, "default", where.credential)
				require.NoError(b, err)
				callers = append(callers, caller)
			}
			for _, caller := range callers {
				_, err = e.RunIn(b.Context(), caller, program)
				require.NoError(b, err)
			}
		}
	})
	b.Run("part: exec", func(b *testing.B) {
		for b.Loop() {
			_, err := e.RunIn(b.Context(), caller, program)
			require.NoError(b, err)
		}
	})
	b.Run("part: audit", func(b *testing.B) {
		for b.Loop() {
			_, err := e.Witness(b.Context(), func() error { return nil })
			require.NoError(b, err)
		}
	})
}

// ready waits until a pod is Ready.
func ready(ctx context.Context, e *check.Env, pod *corev1.Pod) error {
	return wait.PollUntilContextTimeout(ctx, 10*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		pod, err := e.Client.CoreV1().Pods(pod.Namespace).Get(ctx, pod.Name, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		for _, c := range pod.Status.Conditions {
			if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
				return true, nil
			}
		}
		return false, nil
	})
}

// BenchmarkStart is the whole command on a solution where there is no cluster
// yet, with everything built.
func BenchmarkStart(b *testing.B) {
	dir := solutions(b)
	for _, bed := range testbeds(b) {
		fresh := bed.named(bed.Name() + "-bench")
		rolecall := func(words ...string) {
			out, err := fresh.rolecall(b, words...).CombinedOutput()
			require.NoError(b, err, "%s", out)
		}
		b.Run(bed.Provider(), func(b *testing.B) {
			for b.Loop() {
				rolecall("lab", number(lab(b, measured)), "--submission", dir)
				b.StopTimer()
				rolecall("down")
				b.StartTimer()
			}
		})
	}
}
