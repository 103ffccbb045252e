package namespaces

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"rolecall.build/machine/sandbox"
	"rolecall.build/machine/sandbox/testdata/podtest"
)

// BenchmarkPod starts a pod with one container and ends it.
func BenchmarkPod(b *testing.B) {
	r := newRuntime(b)
	require.NoError(b, r.Prepare(b.Context(), "probe"))
	for b.Loop() {
		p, err := r.Start(b.Context(), podtest.PodSpec())
		require.NoError(b, err)
		podtest.Sleeping(b, p, nil)
		b.StopTimer()
		require.NoError(b, p.Close())
		b.StartTimer()
	}
}

// BenchmarkPodOfALargeProcess does the same where this process has as much
// memory as a machine.
func BenchmarkPodOfALargeProcess(b *testing.B) {
	memory := bytes.Repeat([]byte{1}, 400<<20)
	BenchmarkPod(b)
	runtime.KeepAlive(memory)
}

// BenchmarkClose ends a pod with one container.
func BenchmarkClose(b *testing.B) {
	r := newRuntime(b)
	require.NoError(b, r.Prepare(b.Context(), "probe"))
	for b.Loop() {
		b.StopTimer()
		p, err := r.Start(b.Context(), podtest.PodSpec())
		require.NoError(b, err)
		podtest.Sleeping(b, p, nil)
		b.StartTimer()
		require.NoError(b, p.Close())
	}
}

// BenchmarkExec executes a command in a container to its end.
func BenchmarkExec(b *testing.B) {
	p := newPod(b, newRuntime(b))
	podtest.Sleeping(b, p, nil)
	for b.Loop() {
		process, err := p.Exec(b.Context(), "main", sandbox.ExecSpec{Args: []string{"probe", "true"}})
		require.NoError(b, err)
		_, err = process.Wait()
		require.NoError(b, err)
	}
}
