package labs_test

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/util/wait"
	kindcluster "sigs.k8s.io/kind/pkg/cluster"

	"rolecall/harness"
	"rolecall/harness/cluster/engine"
	"rolecall/harness/inventory"
	"rolecall/labs"
)

// command is rolecall running as a process of its own.
type command struct {
	*exec.Cmd
	lines *bufio.Scanner
	said  *strings.Builder // standard error
}

// start runs the command on the suite's cluster, or on the one that args name.
func start(t *testing.T, binary string, args ...string) *command {
	t.Helper()
	cmd := exec.Command(binary, append([]string{"-name", wish.Name, "-home", wish.Home, "-cluster", lab.kind}, args...)...)
	c := &command{Cmd: cmd, said: &strings.Builder{}}
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = c.said
	require.NoError(t, cmd.Start())
	c.lines = bufio.NewScanner(out)
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return c
}

// until reads lines up to the first one with a text.
func (c *command) until(t *testing.T, text string) {
	t.Helper()
	for c.lines.Scan() {
		if strings.Contains(c.lines.Text(), text) {
			return
		}
	}
	require.Fail(t, "ended early", "no line with %q; %s", text, c.said)
}

// status waits for the end and returns the exit status, -1 after a signal.
func (c *command) status() int {
	for c.lines.Scan() { //nolint:revive // drains
	}
	_ = c.Wait()
	return c.ProcessState.ExitCode()
}

func solutions(t *testing.T) string {
	dir := t.TempDir()
	require.NoError(t, labs.Solutions(dir))
	return dir
}

func take(t *testing.T) inventory.Inventory { return lab.take(t) }

func (v venue) take(t testing.TB) inventory.Inventory {
	t.Helper()
	all, err := inventory.Take(t.Context(), v.Config())
	require.NoError(t, err)
	return all
}

func theEngine(t *testing.T) *engine.Engine {
	t.Helper()
	e, err := engine.Detect(context.Background()) // it is asked for when a test is over, too
	require.NoError(t, err)
	return e
}

// TestInterrupted ends the command at each stage of a lab, in three ways. What
// is left after a kill is gone when the next run has started.
func TestInterrupted(t *testing.T) {
	needsOurs(t)
	binary, dir := build(t), solutions(t)
	lend(t)
	before := take(t)
	for _, number := range []string{"1", "3", "4", "5"} {
		for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL} {
			t.Run("lab "+number+" "+signal.String(), func(t *testing.T) {
				c := start(t, binary, "lab", number, "-submission", dir)
				c.until(t, "✓")
				require.NoError(t, c.Process.Signal(signal))
				status := c.status()
				if signal == syscall.SIGKILL {
					assert.Equal(t, -1, status)
					next := start(t, binary, "lab", "4", "-submission", dir)
					assert.Equal(t, 0, next.status(), "the next run is unaffected: %s", next.said)
				} else {
					assert.Equal(t, 2, status, "an interrupted lab is not judged")
				}
				after := take(t)
				assert.Empty(t, after.Without(before).Sorted(), "left behind")
				assert.Empty(t, before.Without(after).Sorted(), "taken away")
			})
		}
	}
}

// TestClusterFalters takes the cluster away in mid-lab. No verdict of the
// learner's may come of it.
func TestClusterFalters(t *testing.T) {
	needsOurs(t)
	binary, dir := build(t), solutions(t)
	lend(t)
	t.Cleanup(func() { require.NoError(t, lab.Up(context.Background())) })
	for name, fault := range lab.outages(t) {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, lab.Up(t.Context()))
			out := t.TempDir()
			c := start(t, binary, "lab", "3", "-submission", dir, "-results", out)
			c.until(t, "forbidden.observed")
			require.NoError(t, fault.begin())
			t.Cleanup(func() { _ = fault.end() })
			assert.Equal(t, 2, c.status())
			result := read(t, out)
			assert.Equal(t, harness.Error, result.Outcome)
			for _, check := range result.Steps[0].Checks {
				assert.NotEqual(t, harness.Fail, check.Outcome, "%s: %s", check.ID, check.Got)
				if check.Outcome == harness.Error {
					assert.Contains(t, check.Error, "make ", "what to do next")
				}
			}
		})
	}
}

func read(t *testing.T, dir string) (result harness.Result) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "results.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &result))
	return result
}

// TestCreationInterrupted ends make up half-way; then nothing is there, or the
// next make up clears it away.
func TestCreationInterrupted(t *testing.T) {
	needsOurs(t)
	binary := build(t)
	const name = "rolecall-interrupted"
	t.Cleanup(func() {
		c := start(t, binary, "down", "-name", name)
		assert.Equal(t, 0, c.status(), c.said)
		assert.Empty(t, lab.remains(t, name))
	})
	stages := lab.stages(t, name)
	for i, reached := range stages {
		c := start(t, binary, "up", "-name", name)
		await(t, reached)
		require.NoError(t, c.Process.Signal(syscall.SIGINT))
		assert.Equal(t, 2, c.status(), c.said)
		assert.Empty(t, lab.remains(t, name), "after SIGINT at stage %d", i)
	}
	c := start(t, binary, "up", "-name", name)
	await(t, stages[1])
	require.NoError(t, c.Process.Kill())
	c.status()
	require.NotEmpty(t, lab.remains(t, name), "a kill leaves something")
	next := start(t, binary, "up", "-name", name)
	assert.Equal(t, 0, next.status(), next.said)
	assert.Contains(t, next.said.String(), "replacing the")
}

// await returns as soon as something is so, within a minute: soon enough to
// meet a stage of a cluster that is complete a second later.
func await(t *testing.T, so func() bool) {
	t.Helper()
	require.NoError(t, wait.PollUntilContextTimeout(t.Context(), 5*time.Millisecond, time.Minute, true,
		func(context.Context) (bool, error) { return so(), nil }))
}

// TestKindForeignClusterIsRefused makes a cluster of our name that is not ours.
func TestKindForeignClusterIsRefused(t *testing.T) {
	if lab.kind != "kind" {
		t.Skip("only kind clusters can be somebody else's; this test runs with CLUSTER=kind")
	}
	binary := build(t)
	container := theEngine(t)
	const name = "rolecall-foreign"
	image, err := container.Output(t.Context(), "inspect", "--format", "{{.Config.Image}}", wish.Name+"-control-plane")
	require.NoError(t, err)
	// A node that never becomes a cluster is enough: kind lists it.
	_, err = container.Output(t.Context(), "create", "--name", name+"-control-plane",
		"--label", "io.x-k8s.kind.cluster="+name, "--label", "io.x-k8s.kind.role=control-plane", image)
	require.NoError(t, err)
	t.Cleanup(func() { _ = kindcluster.NewProvider(container.ProviderOption()).Delete(name, os.DevNull) })
	for _, verb := range []string{"up", "down"} {
		c := start(t, binary, verb, "-name", name)
		assert.Equal(t, 2, c.status())
		assert.Contains(t, c.said.String(), "not ours")
		names, err := kindcluster.NewProvider(container.ProviderOption()).List()
		require.NoError(t, err)
		assert.True(t, slices.Contains(names, name), "it is still there")
	}
}

// needsOurs is for tests that take a cluster apart: they need one of ours.
func needsOurs(t *testing.T) {
	t.Helper()
	if lab.kind == "existing" {
		t.Skip("this test breaks its cluster; it runs with CLUSTER=kind or CLUSTER=embedded")
	}
}
