package forkexec

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"golang.org/x/sys/unix"
)

// TestWhoseFaultAFailureIs has the steps of a start fail, and the mounts before
// it.
func TestWhoseFaultAFailureIs(t *testing.T) {
	for _, test := range []struct {
		err  error
		spec bool
	}{
		{startError("nosuch", candidate, unix.ENOENT), true},
		{startError("/etc/text", candidate, unix.ENOEXEC), true},
		{startError("/bin/sh", candidate, unix.ENOMEM), false},
		{startError("chdir", Asked, unix.ENOTDIR), true},
		{startError("becoming the user 70000", Asked, unix.EINVAL), true},
		{startError("joining a cgroup", 0, unix.ENODEV), false},
		{startError("mounting /proc", Store, unix.EPERM), false},
		{InSpec(fmt.Errorf("mounting v: %w", unix.ENOTDIR)), true},
		{InSpec(fmt.Errorf("mounting v: %w", unix.ENFILE)), false},
	} {
		var start *StartError
		assert.Equal(t, test.spec, errors.As(test.err, &start), "%v", test.err)
	}
	assert.NoError(t, InSpec(nil))
}
