// Package memfd makes files in memory that nobody can change.
package memfd

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Copy copies content into an anonymous file that cannot be changed any more,
// and returns it opened for reading only.
func Copy(name string, content io.Reader) (*os.File, int64, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate(name, flags|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate(name, flags)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("making a file in memory: %w", err)
	}
	written := os.NewFile(uintptr(fd), name)
	defer written.Close()
	size, err := io.Copy(written, content)
	if err != nil {
		return nil, 0, err
	}
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	if _, err := unix.FcntlInt(written.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		return nil, 0, fmt.Errorf("sealing a file in memory: %w", err)
	}
	// Opened again, because a file that somebody could write cannot be executed.
	file, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		return nil, 0, fmt.Errorf("opening a file in memory: %w", err)
	}
	return file, size, nil
}
