//go:build unix

package e2e_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"rolecall/harness"
	"rolecall/harness/check"
)

// trusts are the labs that give the API server a configuration.
func trusts() (labs []harness.Lab) {
	for _, lab := range fix.course.Labs {
		for _, kind := range lab.Makes {
			if kind == check.DocumentKind {
				labs = append(labs, lab)
			}
		}
	}
	return labs
}

// TestAuthenticationIsPutBack ends the command while the API server considers a
// learner's configuration. An interrupted run puts back what was there; after a
// kill the next run does, and so does a reset.
func TestAuthenticationIsPutBack(t *testing.T) {
	b, dir := bed(t), solutions(t)
	note := filepath.Join(b.folder(), "authentication-changed")
	changed := func() bool { _, err := os.Stat(note); return !errors.Is(err, fs.ErrNotExist) }
	given := func() bool { // the API server's file is the learner's
		for _, file := range []string{"authentication-config.yaml", "authentication/config.yaml"} {
			text, _ := os.ReadFile(filepath.Join(b.folder(), file))
			if strings.Contains(string(text), "certificateAuthority") {
				return true
			}
		}
		return false
	}
	for _, lab := range trusts() {
		begin := func(t *testing.T) *command {
			t.Helper()
			require.False(t, changed())
			c := b.start(t, "lab", number(lab), "--submission", dir)
			await(t, given)
			require.True(t, changed())
			return c
		}
		t.Run(name(lab)+" interrupted", func(t *testing.T) {
			c := begin(t)
			require.NoError(t, c.Process.Signal(os.Interrupt))
			assert.Equal(t, 2, c.status(), c.said)
			assert.False(t, changed() || given())
		})
		t.Run(name(lab)+" killed, then another run", func(t *testing.T) {
			c := begin(t)
			require.NoError(t, c.Process.Signal(syscall.SIGKILL))
			c.status()
			require.True(t, changed())
			b.passes(t, 4)
			assert.False(t, changed() || given())
		})
		t.Run(name(lab)+" killed, then a reset", func(t *testing.T) {
			c := begin(t)
			require.NoError(t, c.Process.Signal(syscall.SIGKILL))
			c.status()
			reset := b.start(t, "reset")
			assert.Equal(t, 0, reset.status(), reset.said)
			assert.False(t, changed() || given())
		})
		b.passes(t, lab.Number)
	}
}
