//go:build unix

package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"rolecall/harness/gocommand"
)

// TestEmbeddedEightAtOnce has eight clusters side by side, each with a lab of
// its own, and looks afterwards for what they left: after down, and after a
// kill of the command and down.
func TestEmbeddedEightAtOnce(t *testing.T) {
	suite, dir := only(t, "embedded"), solutions(t)
	bed := func(i int) testbed { return suite.named(fmt.Sprintf("%s-eight-%d", suite.Name(), i)) }
	lab3 := []string{"lab", "3", "--submission", dir}
	down := func(t *testing.T) {
		for i := range 8 {
			c := bed(i).start(t, "down")
			assert.Equal(t, 0, c.status(), c.said)
			assert.Empty(t, bed(i).remains(t))
		}
	}
	t.Cleanup(func() { down(t) })

	t.Run("labs", func(t *testing.T) {
		var running []*command
		for i := range 8 {
			running = append(running, bed(i).start(t, lab3...))
		}
		for _, c := range running {
			assert.Equal(t, 0, c.status(), c.said)
		}
		down(t)
	})
	t.Run("killed", func(t *testing.T) {
		for i := range 8 {
			c := bed(i).start(t, lab3...)
			c.until(t, "✓")
			require.NoError(t, c.Process.Signal(syscall.SIGKILL))
			c.status()
		}
		down(t)
	})
	t.Run("machines killed", func(t *testing.T) {
		var groups []string
		for i := range 2 {
			c := bed(i).start(t, lab3...)
			c.until(t, "✓")
			groups = append(groups, bed(i).cgroups(t)...)
			require.NoError(t, syscall.Kill(bed(i).machine(t), syscall.SIGKILL))
			assert.Equal(t, 2, c.status(), "the cluster went, so nothing is judged")
		}
		down(t)
		for _, group := range groups {
			assert.NoDirExists(t, group)
		}
	})
}

// cgroups are those of a cluster's pods; none where the machine gives none.
func (b testbed) cgroups(t *testing.T) (found []string) {
	t.Helper()
	patterns, err := os.ReadFile(filepath.Join(b.folder(), "cgroups"))
	require.NoError(t, err)
	for pattern := range strings.Lines(string(patterns)) {
		groups, err := filepath.Glob(strings.TrimSpace(pattern))
		require.NoError(t, err)
		assert.NotEmpty(t, groups, "a pod runs, so it has a cgroup in %s", pattern)
		found = append(found, groups...)
	}
	return found
}

// TestEmbeddedFirstStartsAtOnce starts two clusters on a machine where nothing
// is built yet, as grade-all does: neither takes the other's build away.
func TestEmbeddedFirstStartsAtOnce(t *testing.T) {
	suite, home := only(t, "embedded"), t.TempDir()
	words := func(verb string, i int) []string {
		return []string{verb, "--name", fmt.Sprintf("%s-first-%d", suite.Name(), i), "--home", home}
	}
	t.Cleanup(func() {
		for i := range 2 {
			c := suite.start(t, words("down", i)...)
			assert.Equal(t, 0, c.status(), c.said)
		}
		assert.Empty(t, processes(t, home))
	})
	var starting []*command
	for i := range 2 {
		starting = append(starting, suite.start(t, words("up", i)...))
	}
	for _, c := range starting {
		assert.Equal(t, 0, c.status(), c.said)
	}
}

// TestEmbeddedMachine runs the tests of the machine's own module, with the
// settings that it is compiled with and the lab image of the cluster.
func TestEmbeddedMachine(t *testing.T) {
	only(t, "embedded")
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS("../cluster/embedded/_machine")))
	for _, ext := range []string{".mod", ".sum"} {
		require.NoError(t, os.Rename(filepath.Join(dir, "machine"+ext), filepath.Join(dir, "go"+ext)))
	}
	cmd := gocommand.New(t.Context(), dir, "", "", "-mod=mod", "test", "-v", "-vet=off", "-count=1", "-timeout=20m", "./...")
	cmd.Env = append(cmd.Env, "LAB_IMAGE="+labImage(t))
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	for line := range strings.Lines(string(out)) { // of those skipped, each runs elsewhere, in a process of less rights
		if strings.HasPrefix(line, "ok") {
			t.Log(strings.TrimSpace(line))
		}
	}
}

// labImage is the archive of the lab image that clusters were started with.
func labImage(t *testing.T) string {
	t.Helper()
	images, err := filepath.Glob(filepath.Join(fix.options.Home, "labimage", runtime.GOARCH+"-*.tar")) // make dist makes others, too
	require.NoError(t, err)
	require.NotEmpty(t, images, "a cluster is up, so there is a lab image")
	return slices.MaxFunc(images, func(a, b string) int { return modified(t, a).Compare(modified(t, b)) })
}

func modified(t *testing.T, file string) time.Time {
	t.Helper()
	info, err := os.Stat(file)
	require.NoError(t, err)
	return info.ModTime()
}
