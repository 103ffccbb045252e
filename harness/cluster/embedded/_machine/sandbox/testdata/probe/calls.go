package main

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"
)

// calls tries system calls that a container has no business with.
func calls(string, string) error {
	for _, try := range []struct {
		name      string
		call      uintptr
		arguments [3]uintptr
	}{
		{"unshare", syscall.SYS_UNSHARE, [3]uintptr{syscall.CLONE_NEWUSER}},
		{"clone", syscall.SYS_CLONE, [3]uintptr{syscall.CLONE_NEWUSER | uintptr(syscall.SIGCHLD)}},
		{"clone3", 435, [3]uintptr{0, 0}},
		{"mount", syscall.SYS_MOUNT, [3]uintptr{}},
		{"keyctl", syscall.SYS_KEYCTL, [3]uintptr{}},
		{"kexec", syscall.SYS_KEXEC_LOAD, [3]uintptr{}},
		{"vsock", syscall.SYS_SOCKET, [3]uintptr{40, syscall.SOCK_STREAM}},
		{"alg", syscall.SYS_SOCKET, [3]uintptr{38, syscall.SOCK_SEQPACKET}},
		{"io_uring", 425, [3]uintptr{1}},
		{"open_tree_attr", 467, [3]uintptr{}},
		{"listns", 470, [3]uintptr{}},
		{"later", 10000, [3]uintptr{}},
	} {
		_, _, errno := syscall.RawSyscall(try.call, try.arguments[0], try.arguments[1], try.arguments[2])
		fmt.Printf("%s: %d\n", try.name, errno)
	}
	return nil
}

// size asks for a terminal's.
func size(tty *os.File) (rows, cols uint16, err error) {
	var window [4]uint16
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, tty.Fd(), syscall.TIOCGWINSZ, uintptr(unsafe.Pointer(&window)))
	if errno != 0 {
		return 0, 0, errno
	}
	return window[0], window[1], nil
}
