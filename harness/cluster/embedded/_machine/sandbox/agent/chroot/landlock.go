package chroot

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Landlock's versions, as the kernel counts its interface
// (Documentation/userspace-api/landlock.rst): files, renaming from folder to
// folder included; the network; abstract sockets.
const (
	landlockFiles   = 2
	landlockNetwork = 4
	landlockScope   = 6
)

// allowedPorts are those of the API server and the name server.
var allowedPorts = []uint64{443, 53}

// allFileAccess is what Landlock's version 2 knows.
const allFileAccess = unix.LANDLOCK_ACCESS_FS_REFER | (unix.LANDLOCK_ACCESS_FS_REFER - 1)

// landlockRules makes the rules by which the container's processes reach no
// file outside this process's root, also through a descriptor of a folder that
// another container's hands them, connect to nothing else than the cluster over
// TCP, and listen nowhere. -1: this kernel has none.
func landlockRules() (int, error) {
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 || version < landlockFiles {
		return -1, nil
	}
	attributes := unix.LandlockRulesetAttr{Handled_access_fs: allFileAccess}
	size := unsafe.Offsetof(attributes.Handled_access_net)
	if version >= landlockNetwork {
		attributes.Handled_access_net = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
		size = unsafe.Offsetof(attributes.Scoped)
	}
	if version >= landlockScope {
		attributes.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET
		size = unsafe.Offsetof(attributes.Quiet_access_fs)
	}
	created, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attributes)), size, 0)
	if errno != 0 {
		return -1, fmt.Errorf("making Landlock's rules: %w", errno)
	}
	rules := int(created)
	unix.CloseOnExec(rules)
	err := allowRoot(rules)
	if version >= landlockNetwork {
		err = errors.Join(err, allowPorts(rules))
	}
	if err != nil {
		return -1, errors.Join(fmt.Errorf("making Landlock's rules: %w", err), unix.Close(rules))
	}
	return rules, nil
}

func allowRoot(rules int) error {
	root, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(root)
	rule := unix.LandlockPathBeneathAttr{Allowed_access: allFileAccess, Parent_fd: int32(root)}
	return addRule(rules, unix.LANDLOCK_RULE_PATH_BENEATH, unsafe.Pointer(&rule))
}

func allowPorts(rules int) error {
	for _, port := range allowedPorts {
		rule := struct{ access, port uint64 }{unix.LANDLOCK_ACCESS_NET_CONNECT_TCP, port}
		if err := addRule(rules, landlockRuleNetPort, unsafe.Pointer(&rule)); err != nil {
			return err
		}
	}
	return nil
}

// landlockRuleNetPort is LANDLOCK_RULE_NET_PORT.
const landlockRuleNetPort = 2

func addRule(rules int, kind uintptr, rule unsafe.Pointer) error {
	if _, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(rules), kind, uintptr(rule), 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}
