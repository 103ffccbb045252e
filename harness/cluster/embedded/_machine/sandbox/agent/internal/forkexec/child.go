// Package forkexec starts processes: what a child does between fork and execve
// is a list of system calls, laid out in advance.
package forkexec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Child is what a forked child does before it executes its command.
//
// After a fork Go code cannot run in the child: the runtime's other threads are
// not there. The usual way is to execute the program again and do the work
// there, but a Go program has several threads from its beginning, and such a
// process can neither make nor join a user namespace. A list of system calls
// needs no runtime, joins every namespace, and starts a process in well under a
// millisecond.
type Child struct {
	steps []step
	names []string // what each step does, for errors
	keep  []any    // what the steps' addresses point to
}

// step is one system call. Only perform reads it.
type step struct {
	number    uintptr
	arguments [6]uintptr
	flags     uintptr
}

// Flags of a step.
const (
	// Optional steps may find that a file does not exist or is not of the right
	// type.
	Optional = 1 << iota
	// Lenient steps may fail in any way.
	Lenient
	// Store keeps the call's result, which Use passes to a later one as its first
	// argument.
	Store
	Use
	// candidate steps are execve calls of which the first that finds a file
	// counts.
	candidate
	// Asked steps do what the spec asks for: that they fail is its fault, not the
	// machine's.
	Asked
)

// Add adds a step, whose name is for errors.
func (c *Child) Add(name string, flags, number uintptr, arguments ...uintptr) {
	s := step{number: number, flags: flags}
	copy(s.arguments[:], arguments)
	c.steps = append(c.steps, s)
	c.names = append(c.names, name)
}

// Keep keeps what the steps' addresses point to.
func (c *Child) Keep(values ...any) { c.keep = append(c.keep, values...) }

// Text returns the address of a C string.
func (c *Child) Text(s string) uintptr {
	bytes := append([]byte(s), 0)
	c.keep = append(c.keep, bytes)
	return uintptr(unsafe.Pointer(&bytes[0]))
}

// texts returns the address of an array of C strings.
func (c *Child) texts(list []string) uintptr {
	array := make([]uintptr, len(list)+1)
	for i, s := range list {
		array[i] = c.Text(s)
	}
	c.keep = append(c.keep, array)
	return uintptr(unsafe.Pointer(&array[0]))
}

// WriteFile adds the steps that write a file.
func (c *Child) WriteFile(name, path, content string) {
	c.Add(name, Store, unix.SYS_OPENAT, AtCurrent, c.Text(path), unix.O_WRONLY|unix.O_CLOEXEC)
	c.Add(name, Use, unix.SYS_WRITE, 0, c.Text(content), uintptr(len(content)))
	c.Add(name, Lenient|Use, unix.SYS_CLOSE)
}

// Mount adds a mount(2).
func (c *Child) Mount(name string, flags uintptr, source, target, kind string, mountFlags uintptr, data string) {
	c.Add(name, flags, unix.SYS_MOUNT, c.Text(source), c.Text(target), c.Text(kind), mountFlags, c.Text(data))
}

// AtCurrent is AT_FDCWD as a register holds it.
const AtCurrent = ^uintptr(0) - 99

// Fork starts the child with these flags of clone(2). The returned descriptor
// tells Result how it went. The goroutine has to be locked to its thread.
func (c *Child) Fork(flags uintptr) (pid, outcome int, err error) {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return 0, 0, fmt.Errorf("making a pipe: %w", err)
	}
	defer unix.Close(pipe[1])
	report := new([2]uint32)
	child, errno := fork(flags, &c.steps[0], uintptr(len(c.steps)), report, uintptr(pipe[1]))
	if errno != 0 {
		unix.Close(pipe[0])
		return 0, 0, fmt.Errorf("starting a process: %w", errno)
	}
	return int(child), pipe[0], nil
}

// longestStart is what a child gets to execute its command. A process of its
// container may stop it before.
const longestStart = 5 * time.Second

// Result waits until the child executes its command, nil, or fails: a
// *StartError where spec or image are at fault. It kills one that takes too
// long.
func (c *Child) Result(pid, outcome int) error {
	defer unix.Close(outcome)
	var report [8]byte
	for end := time.Now().Add(longestStart); ; {
		ready := []unix.PollFd{{Fd: int32(outcome), Events: unix.POLLIN}}
		n, err := unix.Poll(ready, int(max(time.Until(end).Milliseconds(), 0)))
		if n == 0 && err == nil {
			return errors.Join(fmt.Errorf("the process did not start within %v", longestStart), unix.Kill(pid, unix.SIGKILL))
		}
		if err == nil {
			n, err = unix.Read(outcome, report[:])
		}
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return fmt.Errorf("waiting for a process to start: %w", err)
		case n == 0:
			return nil
		}
		index, errno := binary.NativeEndian.Uint32(report[:]), binary.NativeEndian.Uint32(report[4:])
		return startError(c.names[index], c.steps[index].flags, syscall.Errno(errno))
	}
}

// fork must not grow the stack, allocate or be preempted between the clone and
// the end of perform, hence its form.
//
//go:nosplit
//go:norace
func fork(flags uintptr, steps *step, count uintptr, report *[2]uint32, outcome uintptr) (uintptr, syscall.Errno) {
	var every, before uint64 = ^uint64(0), 0
	syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&every)), uintptr(unsafe.Pointer(&before)), 8, 0, 0)
	child, _, errno := syscall.RawSyscall6(unix.SYS_CLONE, flags|uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if errno == 0 && child == 0 {
		perform(steps, count, report, outcome)
	}
	syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&before)), 0, 8, 0, 0)
	return child, errno
}

// perform is the child: it does the steps, of which the last executes the
// command, and reports the one that fails.
//
//go:nosplit
//go:norace
func perform(steps *step, count uintptr, report *[2]uint32, outcome uintptr) {
	var stored uintptr
	var failed, denied syscall.Errno
	var i uintptr
	for i = 0; i < count; i++ {
		s := (*step)(unsafe.Add(unsafe.Pointer(steps), i*unsafe.Sizeof(step{})))
		first := s.arguments[0]
		if s.flags&Use != 0 {
			first = stored
		}
		result, _, errno := syscall.RawSyscall6(s.number, first, s.arguments[1], s.arguments[2], s.arguments[3], s.arguments[4], s.arguments[5])
		if errno == 0 {
			if s.flags&Store != 0 {
				stored = result
			}
			continue
		}
		missing := errno == syscall.ENOENT || errno == syscall.ENOTDIR
		if s.flags&Lenient != 0 || s.flags&Optional != 0 && missing {
			continue
		}
		failed = errno
		if s.flags&candidate == 0 || !missing && errno != syscall.EACCES {
			break
		}
		if errno == syscall.EACCES {
			denied = errno
		}
	}
	if i == count {
		i--
		if denied != 0 {
			failed = denied
		}
	}
	report[0], report[1] = uint32(i), uint32(failed)
	syscall.RawSyscall6(unix.SYS_WRITE, outcome, uintptr(unsafe.Pointer(report)), 8, 0, 0, 0)
	for {
		syscall.RawSyscall6(unix.SYS_EXIT_GROUP, 1, 0, 0, 0, 0, 0)
	}
}
