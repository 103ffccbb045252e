//go:build unix

package e2e_test

import (
	"context"
	"flag"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/util/wait"
	kindcluster "sigs.k8s.io/kind/pkg/cluster"

	"rolecall/harness"
)

var throughout = flag.Bool("throughout", false, "make the faults in every lab, not only in those of the default part")

// harmed are the labs in which faults are made.
func harmed(t *testing.T) (labs []harness.Lab) {
	t.Helper()
	words := ""
	if *throughout {
		words = "all"
	}
	chosen, err := fix.course.Select(words)
	require.NoError(t, err)
	for _, lab := range chosen {
		if lab.Number > 0 { // the story is its labs
			labs = append(labs, lab)
		}
	}
	return labs
}

// TestInterrupted ends the command at each stage of a lab, in three ways. What
// is left after a kill is gone when the next run has started.
func TestInterrupted(t *testing.T) {
	b, dir := bed(t), solutions(t)
	for _, lab := range harmed(t) {
		for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL} {
			t.Run(name(lab)+" "+signal.String(), func(t *testing.T) {
				assert.NoError(t, b.unchanged(t.Context(), func() error {
					c := b.start(t, "lab", number(lab), "--submission", dir)
					c.until(t, "✓")
					require.NoError(t, c.Process.Signal(signal))
					status := c.status()
					if signal == syscall.SIGKILL {
						assert.Equal(t, -1, status)
						b.passes(t, 4) // the next run is unaffected
					} else {
						assert.Equal(t, 2, status, "an interrupted lab is not judged")
						assert.Contains(t, c.said.String(), "Interrupted; no result was recorded")
					}
					return nil
				}))
			})
		}
	}
}

// TestClusterFalters takes the cluster away in mid-lab. No verdict of the
// learner's may come of it.
func TestClusterFalters(t *testing.T) {
	b, dir, lab := bed(t), solutions(t), lab(t, 3)
	t.Cleanup(func() { require.NoError(t, b.Up(context.Background())) })
	for name, fault := range b.outages(t) {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, b.Up(t.Context()))
			out := t.TempDir()
			c := b.start(t, "lab", number(lab), "--submission", dir, "--results", out)
			c.until(t, lab.Checks[0].ID)
			require.NoError(t, fault.begin())
			t.Cleanup(func() { _ = fault.end() })
			assert.Equal(t, 2, c.status())
			result := read(t, out)
			assert.Equal(t, harness.Error, result.Outcome)
			for _, check := range result.Labs[0].Checks {
				assert.NotEqual(t, harness.Fail, check.Outcome, "%s: %s", check.ID, check.Got)
				if check.Outcome == harness.Error {
					assert.NotEmpty(t, check.Next, "%s: %s", check.ID, check.Error)
				}
			}
		})
	}
	require.NoError(t, b.Up(t.Context()))
	b.passes(t, lab.Number) // and deletes what those that were cut off left
}

// TestCreationInterrupted ends the creation of a cluster half-way; then nothing
// is there, or the next one clears it away.
func TestCreationInterrupted(t *testing.T) {
	b := bed(t)
	b = b.named(b.Name() + "-interrupted")
	t.Cleanup(func() {
		c := b.start(t, "down")
		assert.Equal(t, 0, c.status(), c.said)
		assert.Empty(t, b.remains(t))
	})
	stages := b.stages(t)
	for i, reached := range stages {
		c := b.start(t, "up")
		await(t, reached)
		require.NoError(t, c.Process.Signal(syscall.SIGINT))
		assert.Equal(t, 2, c.status(), c.said)
		assert.Empty(t, b.remains(t), "after SIGINT at stage %d", i)
	}
	c := b.start(t, "up")
	await(t, stages[1])
	require.NoError(t, c.Process.Kill())
	c.status()
	require.NotEmpty(t, b.remains(t), "a kill leaves something")
	next := b.start(t, "up")
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
	b := only(t, "kind")
	image, err := engine(t.Context(), "inspect", "--format", "{{.Config.Image}}", b.node())
	require.NoError(t, err)
	b = b.named(b.Name() + "-foreign")
	// A node that never becomes a cluster is enough: kind lists it.
	_, err = engine(t.Context(), "create", "--name", b.node(),
		"--label", "io.x-k8s.kind.cluster="+b.Name(), "--label", "io.x-k8s.kind.role=control-plane", image)
	require.NoError(t, err)
	option, err := kindcluster.DetectNodeProvider()
	require.NoError(t, err)
	t.Cleanup(func() { _ = kindcluster.NewProvider(option).Delete(b.Name(), os.DevNull) })
	for _, verb := range []string{"up", "down"} {
		c := b.start(t, verb)
		assert.Equal(t, 2, c.status())
		assert.Contains(t, c.said.String(), "rolecall did not create the kind cluster of that name")
		names, err := kindcluster.NewProvider(option).List()
		require.NoError(t, err)
		assert.True(t, slices.Contains(names, b.Name()), "it is still there")
	}
}
