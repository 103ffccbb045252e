package e2e_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"rolecall/harness"
)

// TestEmbeddedFullDisk fills the disk under a cluster in mid-lab. That is never
// the learner's failure, the report says what is wrong, and with room again the
// lab passes.
func TestEmbeddedFullDisk(t *testing.T) {
	b, dir, home := only(t, "embedded"), solutions(t), t.TempDir()
	b = b.named(b.Name() + "-disk")
	if err := syscall.Mount("tmpfs", home, "tmpfs", 0, "size=96m"); err != nil {
		t.Skip("mounting a small disk: ", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(home, syscall.MNT_DETACH)) })
	for _, built := range []string{"machine", "labimage"} {
		require.NoError(t, os.Symlink(filepath.Join(fix.options.Home, built), filepath.Join(home, built)))
	}
	t.Cleanup(func() {
		c := b.start(t, "down", "--home", home)
		assert.Equal(t, 0, c.status(), c.said)
	})
	full := filepath.Join(home, "full")
	for _, lab := range harmed(t) {
		t.Run(name(lab), func(t *testing.T) {
			out := t.TempDir()
			c := b.start(t, "lab", number(lab), "--home", home, "--submission", dir, "--results", out)
			c.until(t, "✓")
			fill(t, full)
			status := c.status()
			result := read(t, out)
			if status == 0 { // it was over before
				t.Log("the lab was quicker than the disk was full")
			} else {
				assert.Equal(t, 2, status, c.said)
				assert.Equal(t, harness.Error, result.Outcome)
			}
			var said []string
			for _, check := range result.Labs[0].Checks {
				assert.NotEqual(t, harness.Fail, check.Outcome, "%s: %s", check.ID, check.Got)
				said = append(said, check.Error)
			}
			if status != 0 {
				assert.Contains(t, strings.Join(said, "\n"), "no space left on device")
			}
			require.NoError(t, os.Remove(full))
			again := b.start(t, "lab", number(lab), "--home", home, "--submission", dir)
			assert.Equal(t, 0, again.status(), again.said)
		})
	}
}

// fill writes until the disk is full.
func fill(t *testing.T, file string) {
	t.Helper()
	f, err := os.Create(file)
	require.NoError(t, err)
	defer f.Close()
	for _, size := range []int{1 << 20, 1 << 12, 1} {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
		require.True(t, errors.Is(err, syscall.ENOSPC) || errors.Is(err, io.ErrShortWrite), "%v", err)
	}
}

// TestEmbeddedAgentsKilled kills, in mid-lab, the processes that hold the
// cluster's pods, as a machine short of memory does. That is never the
// learner's failure.
func TestEmbeddedAgentsKilled(t *testing.T) {
	b, dir := only(t, "embedded"), solutions(t)
	require.NoError(t, b.Up(t.Context()))
	for _, lab := range harmed(t) {
		for _, after := range []time.Duration{0, 200 * time.Millisecond, time.Second} {
			t.Run(name(lab)+" "+after.String(), func(t *testing.T) {
				out := t.TempDir()
				c := b.start(t, "lab", number(lab), "--submission", dir, "--results", out)
				c.until(t, lab.Heading())
				time.Sleep(after)
				b.killAgents(t)
				status := c.status()
				result := read(t, out)
				for _, check := range result.Labs[0].Checks {
					assert.NotEqual(t, harness.Fail, check.Outcome, "%s: %s", check.ID, check.Got)
					if check.Outcome == harness.Error {
						t.Logf("%s: %s", check.ID, check.Error)
					}
				}
				t.Log("status", status)
				b.passes(t, lab.Number)
			})
		}
	}
}

// killAgents kills the children of a cluster's machine.
func (b testbed) killAgents(t *testing.T) {
	t.Helper()
	machine := b.machine(t)
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", machine))
	require.NoError(t, err)
	for _, thread := range threads {
		children, err := os.ReadFile(thread)
		if err != nil {
			continue // a thread that has ended
		}
		for child := range strings.FieldsSeq(string(children)) {
			pid, err := strconv.Atoi(child)
			require.NoError(t, err)
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}
