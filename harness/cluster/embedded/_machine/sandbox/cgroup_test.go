package sandbox

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestVersion2 looks at what is written, in a folder that is no cgroup: few machines that build this have both versions to try.
func TestVersion2(t *testing.T) {
	folder := t.TempDir()
	write := func(name, content string) {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(content), 0o644))
	}
	write("cgroup.controllers", "cpuset cpu io memory pids\n")
	write("cgroup.subtree_control", "memory pids\n")
	place, err := second(folder)
	require.NoError(t, err)
	require.NoError(t, place.missing())
	require.Equal(t, []string{folder}, place.folders())
	p, err := place.pod("x", PodSpec{UID: "1", Memory: 2 << 20, CPU: 500, PIDs: 7})
	require.NoError(t, err)
	c, err := p.container(ContainerSpec{Name: "main", Memory: 1 << 20})
	require.NoError(t, err)
	require.Same(t, c, p.find("main"))
	for name, want := range map[string]string{
		"x-1/containers/memory.max": "2097152", "x-1/containers/memory.swap.max": "0", "x-1/containers/cpu.max": "50000 100000",
		"x-1/containers/pids.max": "7", "x-1/containers/1/memory.max": "1048576",
	} {
		require.Equal(t, want, setting(filepath.Join(folder, name)), name)
	}
	require.False(t, c.killed())
	write("x-1/containers/1/memory.events", "oom 2\noom_kill 1\noom_group_kill 0\n")
	require.True(t, c.killed())
	require.False(t, c.killed(), "since it was last asked")
}

func TestCgroupsOfAKilledNodeAreReplaced(t *testing.T) {
	r := newRuntime(t)
	spec := podSpec()
	p, err := r.Start(t.Context(), spec)
	require.NoError(t, err)
	defer p.Close()
	if p.cgroup == nil {
		t.Skip("no cgroups here")
	}
	_, err = r.Start(t.Context(), spec)
	require.ErrorContains(t, err, "is in use")
	require.NoError(t, p.agent.Kill())
	<-p.Done()
	again, err := r.Start(t.Context(), spec)
	require.NoError(t, err)
	_, exit := runs(t, again, command("true"))
	require.Equal(t, Exit{}, exit)
	require.NoError(t, again.Close())
}
