package forkexec

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// StartError is a failure that lies in a container's spec or image. Code is
// what engines report for it.
type StartError struct {
	Code    int
	Message string
}

// Error returns the message.
func (e *StartError) Error() string { return e.Message }

// InSpec is an error of making what the spec asks for. It lies in the spec, such
// as in a path or a size, unless the machine is short of something.
func InSpec(err error) error {
	var start *StartError
	if err == nil || errors.As(err, &start) || lacks(err) {
		return err
	}
	return &StartError{128, err.Error()}
}

// lacks reports whether an error says that the machine is short of something.
func lacks(err error) bool {
	for _, short := range []syscall.Errno{unix.ENOMEM, unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.EIO} {
		if errors.Is(err, short) {
			return true
		}
	}
	return false
}

// startError says at which step a child gave up: in runc's words, and as a
// *StartError, where that lies in the spec or the image.
func startError(step string, flags uintptr, errno syscall.Errno) error {
	switch {
	case lacks(errno) || flags&(candidate|Asked) == 0:
		return fmt.Errorf("%s: %w", step, errno)
	case flags&candidate == 0:
		return &StartError{128, fmt.Sprintf("%s: %v", step, errno)}
	case errno == unix.ENOENT && !strings.Contains(step, "/"):
		return &StartError{127, fmt.Sprintf("exec: %q: executable file not found in $PATH", step)}
	case errno == unix.ENOENT || errno == unix.ENOTDIR:
		return &StartError{127, fmt.Sprintf("exec: %q: stat %s: %v", step, step, errno)}
	case errno == unix.EACCES:
		return &StartError{126, fmt.Sprintf("exec: %q: permission denied", step)}
	default:
		return &StartError{126, fmt.Sprintf("exec %s: %v", step, errno)}
	}
}
