package forkexec

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Filter adds the step that installs a seccomp filter, which the node makes:
// instructions as struct sock_filter has them.
func (c *Child) Filter(code []byte) {
	instructions := &unix.SockFprog{Len: uint16(len(code) / unix.SizeofSockFilter), Filter: (*unix.SockFilter)(unsafe.Pointer(unsafe.SliceData(code)))}
	c.keep = append(c.keep, code, instructions)
	c.Add("installing the seccomp filter", 0, unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(instructions)))
}
