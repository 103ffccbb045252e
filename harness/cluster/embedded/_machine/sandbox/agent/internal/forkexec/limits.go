package forkexec

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// openFiles is how many descriptors a process may have, and how many of one
// user's may be on their way through sockets. Where a pod has no ids of its own
// the node's user is the same, and the kernel would refuse to send the node's.
const openFiles = 1024

// LimitResources adds the limits that all processes of containers have.
func (c *Child) LimitResources() {
	// Not 0: a program that the kernel pipes core dumps to, as the host's root,
	// would be started all the same (core(5)).
	c.Limit("limiting core dumps", unix.RLIMIT_CORE, 1)
	c.Limit("limiting files", unix.RLIMIT_NOFILE, openFiles)
	c.Limit("leaving the agent's limit", unix.RLIMIT_DATA, unix.RLIM_INFINITY)
}

// Limit sets a limit, for good, as far as it can be raised.
func (c *Child) Limit(name string, resource uintptr, value uint64) {
	var now unix.Rlimit
	if err := unix.Prlimit(0, int(resource), nil, &now); err == nil {
		value = min(value, now.Max)
	}
	limit := &unix.Rlimit{Cur: value, Max: value}
	c.keep = append(c.keep, limit)
	c.Add(name, 0, unix.SYS_PRLIMIT64, 0, resource, uintptr(unsafe.Pointer(limit)))
}
