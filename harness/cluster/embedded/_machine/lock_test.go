package main

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestLockWaitsForAMachineOnItsWayOut(t *testing.T) {
	dir := t.TempDir()
	other, err := unix.Open(filepath.Join(dir, "lock"), unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC, 0o600)
	require.NoError(t, err)
	require.NoError(t, unix.Flock(other, unix.LOCK_EX))
	time.AfterFunc(100*time.Millisecond, func() { unix.Close(other) })
	assert.NoError(t, lockDir(dir))
}

func TestLockMakesNoFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cleared away")
	assert.ErrorIs(t, lockDir(dir), unix.ENOENT)
	assert.NoDirExists(t, dir)
}
