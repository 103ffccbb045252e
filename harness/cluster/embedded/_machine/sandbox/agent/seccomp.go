package main

import (
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The filter follows Docker's default profile in what it refuses, not in its form: what a pod has no business with is refused, what the
// kernel's next versions bring does not exist, and the rest is allowed.

// refused calls concern the machine, not the pod, or have a bad record.
var refused = append([]uint32{
	unix.SYS_ACCT, unix.SYS_ADD_KEY, unix.SYS_CLOCK_ADJTIME, unix.SYS_CLOCK_SETTIME, unix.SYS_DELETE_MODULE, unix.SYS_FINIT_MODULE,
	unix.SYS_GET_MEMPOLICY, unix.SYS_INIT_MODULE, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER, unix.SYS_IO_URING_SETUP,
	unix.SYS_KCMP, unix.SYS_KEXEC_FILE_LOAD, unix.SYS_KEXEC_LOAD, unix.SYS_KEYCTL, unix.SYS_LOOKUP_DCOOKIE, unix.SYS_MBIND,
	unix.SYS_MIGRATE_PAGES, unix.SYS_MOVE_PAGES, unix.SYS_NFSSERVCTL, unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_PIDFD_GETFD,
	unix.SYS_QUOTACTL_FD, unix.SYS_REBOOT, unix.SYS_REQUEST_KEY, unix.SYS_SET_MEMPOLICY, unix.SYS_SET_MEMPOLICY_HOME_NODE,
	unix.SYS_SETTIMEOFDAY, unix.SYS_SWAPOFF, unix.SYS_SWAPON, unix.SYS_USERFAULTFD, unix.SYS_VHANGUP,
}, refusedHere...)

// administrative calls are allowed to a container with SYS_ADMIN, which is root in the pod's namespaces only.
var administrative = []uint32{
	unix.SYS_BPF, unix.SYS_FANOTIFY_INIT, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSOPEN, unix.SYS_FSPICK, unix.SYS_MOUNT,
	unix.SYS_MOUNT_SETATTR, unix.SYS_MOVE_MOUNT, unix.SYS_OPEN_TREE, unix.SYS_PERF_EVENT_OPEN, unix.SYS_PIVOT_ROOT, unix.SYS_QUOTACTL,
	unix.SYS_SETNS, unix.SYS_SYSLOG, unix.SYS_UMOUNT2, unix.SYS_UNSHARE,
}

const (
	// namespaceFlags are those of clone.
	namespaceFlags = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWUSER |
		unix.CLONE_NEWPID | unix.CLONE_NEWNET
	// newest is the last call this filter knows, that of Linux 6.18 (file_setattr): programs take ENOSYS for "use the older way".
	newest = 469

	number       = 0 // offsets in struct seccomp_data
	architecture = 4
	argument0    = 16 // the low half: both architectures are little endian
	argument2    = 32

	allow          = unix.SECCOMP_RET_ALLOW
	notPermitted   = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	notSupported   = unix.SECCOMP_RET_ERRNO | uint32(unix.EPROTONOSUPPORT)
	notImplemented = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)

	sysAdmin = 21
)

// personalities are the harmless ones: Linux and 32-bit addresses, with and without short inode names, and the question for the current.
var personalities = []uint32{0, 0x8, 0x20000, 0x20008, 0xffffffff}

// filter adds the step that installs the filter for a process with these capabilities. In a room it refuses more.
func (p *program) filter(capabilities uint64, more ...uint32) {
	code := seccompFilter(capabilities, more...)
	program := &unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	p.keep = append(p.keep, program)
	p.add("installing the seccomp filter", 0, unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(program)))
}

func seccompFilter(capabilities uint64, more ...uint32) []unix.SockFilter {
	var code []unix.SockFilter
	load := func(offset uint32) {
		code = append(code, unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset})
	}
	give := func(verdict uint32) {
		code = append(code, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: verdict})
	}
	// unless skips instructions if the test is not true.
	unless := func(test uint16, value uint32, skip uint8) {
		code = append(code, unix.SockFilter{Code: unix.BPF_JMP | test | unix.BPF_K, Jf: skip, K: value})
	}
	load(architecture)
	unless(unix.BPF_JEQ, auditArch, 1)
	code = append(code, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JA, K: 1})
	give(notImplemented)
	load(number)
	unless(unix.BPF_JGT, newest, 1) // the x32 calls of amd64 among them
	give(notImplemented)

	names := slices.Concat(refused, more)
	if capabilities&(1<<sysAdmin) == 0 {
		unless(unix.BPF_JEQ, unix.SYS_CLONE3, 1) // Its flags are in memory, out of the filter's sight; the C libraries then use clone.
		give(notImplemented)
		unless(unix.BPF_JEQ, unix.SYS_CLONE, 4)
		load(argument0)
		unless(unix.BPF_JSET, namespaceFlags, 1)
		give(notPermitted)
		give(allow)
		names = append(names, administrative...)
	}
	if len(more) > 0 { // In a room the network's rules know TCP alone: what is like it has to be refused.
		unless(unix.BPF_JEQ, unix.SYS_SOCKET, 9)
		load(argument0)
		unless(unix.BPF_JEQ, unix.AF_SMC, 1)
		give(notPermitted)
		load(argument2)
		for _, protocol := range []uint32{unix.IPPROTO_MPTCP, unix.IPPROTO_SCTP} {
			unless(unix.BPF_JEQ, protocol, 1)
			give(notSupported)
		}
		load(number)
	}
	for _, call := range names {
		unless(unix.BPF_JEQ, call, 1)
		give(notPermitted)
	}
	unless(unix.BPF_JEQ, unix.SYS_SOCKET, 6)
	load(argument0)
	for _, family := range []uint32{unix.AF_VSOCK, unix.AF_ALG} { // the hypervisor, and the kernel's cryptography
		unless(unix.BPF_JEQ, family, 1)
		give(notPermitted)
	}
	give(allow)
	unless(unix.BPF_JEQ, unix.SYS_PERSONALITY, uint8(2*len(personalities)+2))
	load(argument0)
	for _, personality := range personalities {
		unless(unix.BPF_JEQ, personality, 1)
		give(allow)
	}
	give(notPermitted)
	give(allow)
	return code
}
