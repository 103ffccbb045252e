package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"rolecall/harness/check"
)

// start starts a script that goes on, and waits for its first lines.
func (h hostile) start(t *testing.T, c *check.Caller, script string, lines ...string) *check.Running {
	t.Helper()
	folder, err := os.MkdirTemp(h.dir, "hostile-")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "call.sh"), []byte(script), 0o644))
	program, err := h.Program(t.Context(), filepath.Base(folder), "call")
	require.NoError(t, err)
	running, err := h.StartIn(t.Context(), c, program)
	require.NoError(t, err)
	seen, err := running.Await(t.Context(), 10*time.Second, func(got []check.Line) bool { return len(got) >= len(lines) })
	require.NoError(t, err)
	require.True(t, seen, "%v", running.Lines())
	for i, line := range lines {
		assert.Equal(t, line, running.Lines()[i].Text)
	}
	return running
}

// TestProgramsThatGoOn: a program's lines come while it runs, SIGTERM reaches it
// and nothing else, and nothing that it does hides how it ended or outlives it.
func TestProgramsThatGoOn(t *testing.T) {
	bed(t).hostile(t, func(h hostile) {
		pod := h.caller(t)
		stop := func(t *testing.T, r *check.Running) *check.Run {
			t.Helper()
			run, err := r.Stop(t.Context(), time.Second)
			require.NoError(t, err)
			return run
		}
		const living = `for p in /proc/[0-9]*; do read -r stat <$p/stat; case $stat in "1 "*|*") Z "*) ;; *"(sleep) "*|*"(yes) "*) echo "$stat"; esac; done 2>/dev/null`
		t.Run("lines and the signal", func(t *testing.T) {
			r := h.start(t, pod, "trap 'echo asked; exit 0' TERM\necho one\nsleep 1\necho two\nwhile :; do sleep 0.1; done", "one", "two")
			lines := r.Lines()
			assert.Greater(t, lines[1].At.Sub(lines[0].At), 500*time.Millisecond, "they came when they were written")
			assert.NoError(t, r.GoesOn())
			run := stop(t, r)
			assert.NoError(t, run.Stopped(time.Second))
			assert.Equal(t, "one\ntwo\nasked\n", run.Stdout)
		})
		for name, p := range map[string]struct {
			script string
			ended  func(*check.Run) bool
		}{
			"no trap":                  {"echo go; sleep 1000 & wait", func(r *check.Run) bool { return r.ExitStatus == 143 }},
			"ignores it":               {"trap '' TERM; echo go; while :; do sleep 1; done", func(r *check.Run) bool { return r.TimedOut }},
			"signals its group":        {"trap 'trap \"\" TERM; kill 0; exit 0' TERM; echo go; sleep 1000 & wait", func(r *check.Run) bool { return r.Stopped(time.Second) == nil }},
			"leaves a daemon":          {"trap 'exit 0' TERM; setsid sleep 1000 & sleep 1000 & echo go; wait", func(r *check.Run) bool { return r.Stopped(time.Second) == nil }},
			"stops the one that asks":  {"trap '' TERM; echo go; for p in /proc/[0-9]*; do p=${p#/proc/}; [ $p -gt 1 ] && [ $p != $$ ] && [ $p != $PPID ] && kill -9 $p; done; while :; do sleep 1; done", func(r *check.Run) bool { return r.TimedOut || r.ShellKilled }},
			"kills the shell above":    {"echo go; kill -9 $PPID; sleep 1000", func(r *check.Run) bool { return r.Ended() != nil || r.ExitStatus != 0 }},
			"signals the shell above":  {"trap '' TERM; echo go; kill -TERM $PPID; sleep 1000", func(r *check.Run) bool { return r.Ended() != nil || r.ExitStatus != 0 }},
			"ends and leaves a daemon": {"echo go; (setsid sleep 1000 &); exit 0", func(r *check.Run) bool { return r.ExitStatus == 0 }},
			"endless output":           {"echo go; exec yes", func(r *check.Run) bool { return r.OutputTooLong }},
			"fork bomb":                {"trap '' TERM; echo go; f() { f | f & }; f; sleep 60", func(r *check.Run) bool { return r.Ended() != nil || r.ExitStatus != 0 }},
		} {
			t.Run(name, func(t *testing.T) {
				pod := h.caller(t)
				running := h.start(t, pod, p.script, "go")
				if strings.HasSuffix(p.script, "yes") || strings.HasSuffix(p.script, "exit 0") { // it ends before it is asked to
					_, err := running.Await(t.Context(), 5*time.Second, func([]check.Line) bool { return false })
					require.NoError(t, err)
				}
				run := stop(t, running)
				if name != "fork bomb" { // which leaves so many ended processes that no other can start
					assert.Empty(t, h.run(t, pod, living).Stdout, "nothing is left of it")
				}
				assert.True(t, p.ended(run), "%d %v %v %v %q", run.ExitStatus, run.TimedOut, run.OutputTooLong, run.ShellKilled, run.Stderr)
			})
		}
		t.Run("ended by itself", func(t *testing.T) {
			r := h.start(t, pod, "echo go; exit 4", "go")
			ended, err := r.Await(t.Context(), 10*time.Second, func([]check.Line) bool { return false })
			require.NoError(t, err)
			assert.False(t, ended)
			failure, learners := check.AsFailure(r.GoesOn())
			require.True(t, learners)
			assert.Contains(t, failure.Got, "exit status 4")
			assert.Equal(t, 4, stop(t, r).ExitStatus)
		})
		t.Run("to the lab's end", func(t *testing.T) {
			h.start(t, pod, "trap '' TERM; echo go; while :; do sleep 1; done", "go")
			assert.True(t, strings.HasPrefix(pod.Name, "caller-"))
		})
	})
}
