package labs_test

import (
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rolecall/harness"
	"rolecall/harness/check"
	"rolecall/labs"
	"rolecall/steps"
)

// BenchmarkLab3 is the whole command on the solution, beside its parts and
// beside one bare pod from creation to Ready, the least that any check with a
// pod can take; on the suite's cluster and, in the same run, on the one beside.
func BenchmarkLab3(b *testing.B) {
	for _, v := range gateVenues(b) {
		b.Run(v.kind, v.benchmark)
	}
}

func (v venue) benchmark(b *testing.B) {
	dir := b.TempDir()
	require.NoError(b, labs.Solutions(dir))
	session := v.open(b, dir)
	e := session.Env
	clean := func() {
		require.NoError(b, e.Clean(b.Context()))
		require.NoError(b, check.StartsClean(b.Context(), e))
	}

	b.Run("bare pod", func(b *testing.B) {
		for b.Loop() {
			pod, err := e.Client.CoreV1().Pods("default").Create(b.Context(), &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{GenerateName: "bare-", Labels: map[string]string{check.RunLabel: e.Run}},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "bare", Image: check.LabImage, Command: []string{"sleep", "3600"}}}},
			}, metav1.CreateOptions{})
			require.NoError(b, err)
			settled, err := e.Settle(b.Context(), "default", pod.Name, time.Minute)
			require.NoError(b, err)
			require.True(b, settled.Ready)
			b.StopTimer()
			clean()
			b.StartTimer()
		}
	})
	b.Run("command", func(b *testing.B) {
		command := build(b)
		lend(b)
		for b.Loop() {
			out, err := exec.Command(command, "lab", "3", "-submission", dir, "-name", wish.Name, "-home", wish.Home, "-cluster", v.kind).CombinedOutput()
			require.NoError(b, err, "%s", out)
		}
	})
	b.Run("engine", func(b *testing.B) {
		for b.Loop() {
			step, _ := steps.Lab(3)
			result := session.Runner(silent{}).RunStep(b.Context(), step)
			require.Equal(b, harness.Pass, result.Outcome, told(result))
		}
	})

	program, err := e.Program(b.Context(), "lab-3", "call")
	require.NoError(b, err)
	var caller *check.Caller
	b.Run("part: pods", func(b *testing.B) {
		for b.Loop() {
			caller, err = e.StartCaller(b.Context(), "default", check.Genuine, check.ForeignToken, check.ForeignCA)
			require.NoError(b, err)
			viewer, err := e.StartCaller(b.Context(), "rolecall-viewer", check.Genuine)
			require.NoError(b, err)
			_, err = e.RunIn(b.Context(), viewer, check.Genuine, program)
			require.NoError(b, err)
			_, err = e.RunIn(b.Context(), caller, check.Genuine, program)
			require.NoError(b, err)
		}
	})
	b.Run("part: exec", func(b *testing.B) {
		for b.Loop() {
			_, err := e.RunIn(b.Context(), caller, check.Genuine, program)
			require.NoError(b, err)
		}
	})
	b.Run("part: audit", func(b *testing.B) {
		for b.Loop() {
			_, err := e.Witness(b.Context(), func() error { return nil })
			require.NoError(b, err)
		}
	})
	b.Run("part: reset", func(b *testing.B) {
		for b.Loop() {
			clean()
		}
	})
	clean()
}

// BenchmarkStart is the whole command on the solution of lab 3 where there is
// no cluster yet, with everything built.
func BenchmarkStart(b *testing.B) {
	dir, command := b.TempDir(), build(b)
	require.NoError(b, labs.Solutions(dir))
	for _, v := range gateVenues(b) {
		rolecall := func(words ...string) {
			out, err := exec.Command(command, append(words, "-name", wish.Name+"-bench", "-home", wish.Home, "-cluster", v.kind)...).CombinedOutput()
			require.NoError(b, err, "%s", out)
		}
		b.Run(v.kind, func(b *testing.B) {
			for b.Loop() {
				rolecall("lab", "3", "-submission", dir)
				b.StopTimer()
				rolecall("down")
				b.StartTimer()
			}
		})
	}
}

// build compiles the command once for the test.
func build(t testing.TB) string {
	t.Helper()
	command := t.TempDir() + "/rolecall"
	out, err := exec.Command("go", "build", "-o", command, "..").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return command
}

// lend lets commands use the suite's cluster while a test runs.
func lend(t testing.TB) {
	t.Helper()
	release()
	t.Cleanup(func() {
		var err error
		release, err = wish.Alone(t.Context())
		require.NoError(t, err)
	})
}
