package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/apimachinery/pkg/util/wait"
)

// lockLimit bounds the wait for a machine that is on its way out: one whose
// parent was killed while it started may take the lock before it notices.
const lockLimit = 5 * time.Second

// lockDir takes dir for this process, for as long as it lives: the kernel
// frees the lock however it ends. The file DIR/lock holds its pid. Whoever
// starts a machine makes the folder; one that is gone was cleared away.
func lockDir(dir string) error {
	file := filepath.Join(dir, "lock")
	// Not an os.File, whose collection would close it.
	fd, err := unix.Open(file, unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return fmt.Errorf("opening %s: %w", file, err)
	}
	err = wait.PollUntilContextTimeout(context.Background(), 20*time.Millisecond, lockLimit, true, func(context.Context) (bool, error) {
		err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
		if errors.Is(err, unix.EWOULDBLOCK) {
			return false, nil
		}
		return err == nil, err
	})
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		pid, _ := os.ReadFile(file) // only for the message
		return fmt.Errorf("locking %s: another machine is running there; run kill %s", file, bytes.TrimSpace(pid))
	case err != nil:
		return fmt.Errorf("locking %s: %w", file, err)
	}
	if err := unix.Ftruncate(fd, 0); err != nil {
		return fmt.Errorf("emptying %s: %w", file, err)
	}
	if _, err := unix.Pwrite(fd, []byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		return fmt.Errorf("writing to %s: %w", file, err)
	}
	return nil
}
