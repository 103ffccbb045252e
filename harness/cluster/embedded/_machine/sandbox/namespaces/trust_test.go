package namespaces

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rolecall.build/machine/sandbox"
	"rolecall.build/machine/sandbox/testdata/podtest"
)

// TestWhoRunsAsWhom asks the host, which no name in the pod deceives.
func TestWhoRunsAsWhom(t *testing.T) {
	r := newRuntime(t)
	p := newPod(t, r)
	marker := fmt.Sprintf("whom-%d", os.Getpid())
	spec := podtest.Command("sleep", marker)
	spec.User, spec.Group = 1000, 1000
	_, err := p.Run(t.Context(), spec)
	require.NoError(t, err)
	agent, container := podtest.User(t, p.agent.PID()), podtest.User(t, podtest.PID(t, marker))
	if r.mode == sandbox.ModeRootless {
		require.Equal(t, os.Getuid(), agent)
		require.Equal(t, os.Getuid(), container)
		return
	}
	require.Equal(t, r.firstID, agent)
	require.Equal(t, r.firstID+1000, container)
}

// TestWhatTheAgentHasOpen lists the kinds. Nothing is a file of the host's but
// its log and those from which Go's runtime reads the CPU limit; what a request
// came with is closed once it is answered.
func TestWhatTheAgentHasOpen(t *testing.T) {
	p := newPod(t, newRuntime(t))
	require.NoError(t, p.SetVolume("config", sandbox.Volume{Files: map[string]sandbox.File{"f": {}}}))
	podtest.Sleeping(t, p, func(c *sandbox.ContainerSpec) { c.Mounts = []sandbox.Mount{{Volume: "config", Path: "/config"}} })
	log, err := os.Readlink("/proc/self/fd/2")
	require.NoError(t, err)
	log, _, _ = strings.Cut(log, ":[")
	known := []string{log, "/dev/null", "socket", "pipe", "anon_inode", "/", "/container", "/shm", "/volumes/config", "/proc/sys/user/max_user_namespaces"}
	podtest.Eventually(t, "nothing else is open", func() bool {
		others := slices.DeleteFunc(podtest.Descriptors(t, p.agent.PID()), func(kind string) bool {
			return slices.Contains(known, kind) || strings.HasPrefix(path.Base(kind), "cpu.")
		})
		return len(others) == 0
	})
}
