package forkexec

import (
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

// startError says in runc's words at which step a child gave up.
func startError(step string, flags uintptr, errno syscall.Errno) *StartError {
	switch {
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
