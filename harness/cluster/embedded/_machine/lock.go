package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// lockDir takes dir for this process, for as long as it lives: the kernel
// frees the lock however it ends. The file DIR/lock holds its pid.
func lockDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the machine's folder: %w", err)
	}
	file := filepath.Join(dir, "lock")
	// Not an os.File, whose collection would close it.
	fd, err := unix.Open(file, unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return fmt.Errorf("opening %s: %w", file, err)
	}
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			pid, _ := os.ReadFile(file) // only for the message
			return fmt.Errorf("locking %s: another machine is running there; run kill %s", file, bytes.TrimSpace(pid))
		}
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
