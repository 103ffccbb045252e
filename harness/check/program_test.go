package check

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestEndedFailsWhatHadToBeEnded(t *testing.T) {
	for name, run := range map[string]Run{
		"time":   {TimedOut: true},
		"output": {TooMuch: true},
		"memory": {Killed: true},
		"shell":  {Gone: true},
		"left":   {ExitStatus: -1, Left: true},
	} {
		_, learners := AsFailure(run.Ended())
		assert.True(t, learners, name)
	}
	assert.NoError(t, (&Run{ExitStatus: 3}).Ended(), "any exit status of its own is an end")
}

func TestToldIsSafeToShow(t *testing.T) {
	run := Run{ExitStatus: 1, Stdout: "\x1b[2J4\n", Stderr: "why"}
	assert.Equal(t, `exit status 1, first line "\\x1b[2J4", on stderr "why"`, run.Told())
	assert.Equal(t, "exit status 0, nothing on the first line of stdout", (&Run{}).Told())
}
