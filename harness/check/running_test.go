package check

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// newProgram is a program that seems to run, without a cluster.
func newProgram(script bool) *Running {
	r := newRunning(&Env{}, nil, &Program{Name: "lab-2/call.sh", script: script}, func(error) {})
	_, ask := io.Pipe()
	r.ask = ask
	return r
}

// ends is the end of such a program.
func (r *Running) ends(run Run) {
	r.update(func() { run.Program, r.over, r.run = r.Program, true, &run })
}

func TestLinesComeOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, began := newProgram(true), time.Now()
		_, err := r.Write([]byte("\none"))
		require.NoError(t, err)
		assert.True(t, r.begun, "the first line is not the program's")
		assert.Empty(t, r.Lines(), "half a line is none")
		go func() {
			time.Sleep(3 * time.Second)
			_, _ = r.Write([]byte(" \r\ntwo\n\nfour"))
		}()
		seen, err := r.Await(t.Context(), 5*time.Second, func(lines []Line) bool { return len(lines) == 3 })
		require.NoError(t, err)
		assert.True(t, seen)
		at := began.Add(3 * time.Second)
		assert.Equal(t, []Line{{"one", at}, {"two", at}, {"", at}}, r.Lines())
	})
}

func TestAwaitIsBounded(t *testing.T) {
	never := func([]Line) bool { return false }
	synctest.Test(t, func(t *testing.T) {
		r, began := newProgram(true), time.Now()
		seen, err := r.Await(t.Context(), 5*time.Second, never)
		require.NoError(t, err)
		assert.False(t, seen)
		assert.Equal(t, 6*time.Second, time.Since(began), "and a second for the way")
		assert.NoError(t, r.GoesOn())

		began = time.Now()
		go func() {
			time.Sleep(time.Second)
			r.ends(Run{ExitStatus: 1})
		}()
		seen, err = r.Await(t.Context(), 5*time.Second, never)
		require.NoError(t, err)
		assert.False(t, seen)
		assert.Equal(t, time.Second, time.Since(began), "what has ended writes nothing more")
	})
}

func TestOutputThatNeverEndsIsCutOff(t *testing.T) {
	var cause error
	r := newRunning(&Env{}, nil, &Program{}, func(err error) { cause = err })
	n, err := r.Write([]byte("\n" + strings.Repeat("y\n", MaxOutput)))
	assert.Equal(t, MaxOutput+1, n)
	assert.ErrorIs(t, err, io.ErrShortWrite)
	assert.ErrorIs(t, cause, errOutputTooLong)
	assert.Len(t, r.output, MaxOutput)
}

func TestGoesOnFailsWhatEndedByItself(t *testing.T) {
	for name, test := range map[string]struct {
		run       Run
		got, hint string
	}{
		"an exit":         {Run{ExitStatus: 2, Stderr: "no\n"}, `it ended by itself: exit status 2, nothing on the first line of stdout, on stderr "no"`, "Look for what ends it"},
		"a missing tool":  {Run{ExitStatus: 127, Stderr: "call.sh: line 1: jq: not found\n"}, `jq: not found`, "Do without jq"},
		"too much output": {Run{OutputTooLong: true}, "it wrote more than 1 MiB and was killed", "Print only"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newProgram(true)
			r.ends(test.run)
			failure, learners := AsFailure(r.GoesOn())
			require.True(t, learners)
			assert.Equal(t, "call.sh goes on until it gets SIGTERM", failure.Want)
			assert.Contains(t, failure.Got, test.got)
			assert.Contains(t, failure.Hint, test.hint)
		})
	}
}

func TestStoppedIsExitStatus0InTime(t *testing.T) {
	for name, test := range map[string]struct {
		run             Run
		got, sh, golang string
	}{
		"went on":  {Run{TimedOut: true}, "it went on and was killed", "A shell runs a trap only when", "stop waiting in main"},
		"no trap":  {Run{ExitStatus: 143}, "exit status 143: it was ended by the signal", "Set a trap for TERM", "package os/signal"},
		"a status": {Run{ExitStatus: 1, Stderr: "stopped\n"}, `exit status 1, on stderr "stopped"`, "end with 0", "end with 0"},
		"killed":   {Run{ShellKilled: true}, "it killed the shell that ran it", "End with exit", "End with exit"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, script := range []bool{true, false} {
				test.run.Program = &Program{Name: "lab-2/call", script: script}
				failure, learners := AsFailure(test.run.Stopped(2 * time.Second))
				require.True(t, learners)
				assert.Equal(t, "SIGTERM ends call within 2 s, with exit status 0", failure.Want)
				assert.Contains(t, failure.Got, test.got)
				hint := test.golang
				if script {
					hint = test.sh
				}
				assert.Contains(t, failure.Hint, hint)
			}
		})
	}
	assert.NoError(t, (&Run{Program: &Program{}}).Stopped(2*time.Second))
}

// TestProgramsEndWithTheirLab however it ends.
func TestProgramsEndWithTheirLab(t *testing.T) {
	e, _ := newEnv(t, nil)
	var cause error
	e.programs = []*Running{newRunning(e, nil, &Program{}, func(err error) { cause = err })}
	require.NoError(t, e.Sweep(t.Context()))
	assert.ErrorIs(t, cause, errEnded)
	assert.Empty(t, e.programs)
}
