package labs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestEmbeddedEightAtOnce has eight clusters side by side, each with a lab of
// its own, and looks afterwards for what they left: after down, and after a
// kill of the command and down.
func TestEmbeddedEightAtOnce(t *testing.T) {
	onlyEmbedded(t)
	binary, dir := build(t), solutions(t)
	name := func(i int) string { return fmt.Sprintf("%s-eight-%d", wish.Name, i) }
	down := func(t *testing.T) {
		for i := range 8 {
			c := start(t, binary, "down", "-name", name(i))
			assert.Equal(t, 0, c.status(), c.said)
			assert.Empty(t, lab.remains(t, name(i)))
		}
	}
	t.Cleanup(func() { down(t) })

	t.Run("labs", func(t *testing.T) {
		var running []*command
		for i := range 8 {
			running = append(running, start(t, binary, "lab", "3", "-name", name(i), "-submission", dir))
		}
		for _, c := range running {
			assert.Equal(t, 0, c.status(), c.said)
		}
		down(t)
	})
	t.Run("killed", func(t *testing.T) {
		for i := range 8 {
			c := start(t, binary, "lab", "3", "-name", name(i), "-submission", dir)
			c.until(t, "✓")
			require.NoError(t, c.Process.Signal(syscall.SIGKILL))
			c.status()
		}
		down(t)
	})
	t.Run("machines killed", func(t *testing.T) {
		var groups []string
		for i := range 2 {
			c := start(t, binary, "lab", "3", "-name", name(i), "-submission", dir)
			c.until(t, "✓")
			groups = append(groups, cgroups(t, name(i))...)
			require.NoError(t, syscall.Kill(machine(t, name(i)), syscall.SIGKILL))
			assert.Equal(t, 2, c.status(), "the cluster went, so nothing is judged")
		}
		down(t)
		for _, group := range groups {
			assert.NoDirExists(t, group)
		}
	})
}

// cgroups are those of a cluster's pods; none where the machine gives none.
func cgroups(t *testing.T, name string) (found []string) {
	t.Helper()
	patterns, err := os.ReadFile(filepath.Join(lab.folder(name), "cgroups"))
	require.NoError(t, err)
	for pattern := range strings.Lines(string(patterns)) {
		groups, err := filepath.Glob(strings.TrimSpace(pattern))
		require.NoError(t, err)
		assert.NotEmpty(t, groups, "a pod runs, so it has a cgroup in %s", pattern)
		found = append(found, groups...)
	}
	return found
}

// onlyEmbedded is for what only an embedded cluster has.
func onlyEmbedded(t *testing.T) {
	t.Helper()
	if lab.kind != "embedded" {
		t.Skip("this test runs with CLUSTER=embedded")
	}
}
