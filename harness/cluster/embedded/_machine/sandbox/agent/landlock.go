package main

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Landlock's versions, as the kernel counts its interface (Documentation/userspace-api/landlock.rst).
const (
	landlockNetwork = 4
	landlockScope   = 6
)

// allowedPorts are those of the API server and the name server.
var allowedPorts = []uint64{443, 53}

// networkRules makes the rules by which processes connect to nothing else over TCP and listen nowhere. -1: this kernel has none.
func networkRules() (int, error) {
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 || version < landlockNetwork {
		return -1, nil
	}
	attributes := unix.LandlockRulesetAttr{Handled_access_net: unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP}
	if version >= landlockScope {
		attributes.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET
	}
	size := unsafe.Offsetof(attributes.Quiet_access_fs) // What is zero beyond that, every version takes for absent.
	if version < landlockScope {
		size = unsafe.Offsetof(attributes.Scoped)
	}
	rules, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attributes)), size, 0)
	if errno != 0 {
		return -1, fmt.Errorf("making rules for the network: %w", errno)
	}
	for _, port := range allowedPorts {
		rule := struct{ access, port uint64 }{unix.LANDLOCK_ACCESS_NET_CONNECT_TCP, port}
		_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, rules, landlockRuleNetPort, uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
		if errno != 0 {
			return -1, errors.Join(fmt.Errorf("making rules for the network: %w", errno), unix.Close(int(rules)))
		}
	}
	unix.CloseOnExec(int(rules))
	return int(rules), nil
}

// landlockRuleNetPort is LANDLOCK_RULE_NET_PORT.
const landlockRuleNetPort = 2
