package cgroups

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestVersion2 looks at what is written, in a folder that is no cgroup: few
// machines that build this have both versions to try.
func TestVersion2(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644))
	}
	write("cgroup.controllers", "cpuset cpu io memory pids\n")
	write("cgroup.subtree_control", "memory pids\n")
	place, err := second(folder)
	require.NoError(t, err)
	require.NoError(t, place.Missing())
	require.Equal(t, []string{folder}, place.folders())
	p, err := place.NewPod("x", "1", Limits{Memory: 2 << 20, CPU: 500, PIDs: 7})
	require.NoError(t, err)
	c, err := p.NewContainer("main", Limits{Memory: 1 << 20})
	require.NoError(t, err)
	require.Same(t, c, p.Find("main"))
	for name, want := range map[string]string{
		"x-1/containers/memory.max": "2097152", "x-1/containers/memory.swap.max": "0", "x-1/containers/cpu.max": "50000 100000",
		"x-1/containers/pids.max": "7", "x-1/agent/memory.max": "536870912", "x-1/containers/1/memory.max": "1048576",
		"x-1/containers/1/memory.oom.group": "1", "x-1/containers/memory.oom.group": "",
	} {
		require.Equal(t, want, content(filepath.Join(folder, name)), name)
	}
	require.False(t, c.OOMKilled())
	write("x-1/containers/1/memory.events", "oom 2\noom_kill 1\noom_group_kill 0\n")
	require.True(t, c.OOMKilled())
	require.False(t, c.OOMKilled(), "since it was last asked")
}
