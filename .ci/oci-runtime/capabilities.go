package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// capSet is a set of capabilities as the kernel writes it, one bit each.
type capSet uint64

// boundingSet reads the bounding set of this process: what neither it nor any
// process that it starts can ever have more than.
func boundingSet(status string) (capSet, error) {
	data, err := os.ReadFile(status)
	if err != nil {
		return 0, fmt.Errorf("reading this machine's capabilities: %w", err)
	}
	for line := range strings.Lines(string(data)) {
		if hex, ok := strings.CutPrefix(line, "CapBnd:"); ok {
			bits, err := strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
			if err != nil {
				return 0, fmt.Errorf("reading this machine's capabilities: %w", err)
			}
			return capSet(bits), nil
		}
	}
	return 0, fmt.Errorf("reading this machine's capabilities: no CapBnd line in %s", status)
}

// allows says whether the capability of that name is in the set. A name that is
// not in the list below is left for runc to judge.
func (s capSet) allows(name any) bool {
	bit := slices.Index(capabilities, fmt.Sprint(name))
	return bit < 0 || s&(1<<bit) != 0
}

// capabilities in the order of their numbers in linux/capability.h.
var capabilities = []string{
	"CAP_CHOWN",
	"CAP_DAC_OVERRIDE",
	"CAP_DAC_READ_SEARCH",
	"CAP_FOWNER",
	"CAP_FSETID",
	"CAP_KILL",
	"CAP_SETGID",
	"CAP_SETUID",
	"CAP_SETPCAP",
	"CAP_LINUX_IMMUTABLE",
	"CAP_NET_BIND_SERVICE",
	"CAP_NET_BROADCAST",
	"CAP_NET_ADMIN",
	"CAP_NET_RAW",
	"CAP_IPC_LOCK",
	"CAP_IPC_OWNER",
	"CAP_SYS_MODULE",
	"CAP_SYS_RAWIO",
	"CAP_SYS_CHROOT",
	"CAP_SYS_PTRACE",
	"CAP_SYS_PACCT",
	"CAP_SYS_ADMIN",
	"CAP_SYS_BOOT",
	"CAP_SYS_NICE",
	"CAP_SYS_RESOURCE",
	"CAP_SYS_TIME",
	"CAP_SYS_TTY_CONFIG",
	"CAP_MKNOD",
	"CAP_LEASE",
	"CAP_AUDIT_WRITE",
	"CAP_AUDIT_CONTROL",
	"CAP_SETFCAP",
	"CAP_MAC_OVERRIDE",
	"CAP_MAC_ADMIN",
	"CAP_SYSLOG",
	"CAP_WAKE_ALARM",
	"CAP_BLOCK_SUSPEND",
	"CAP_AUDIT_READ",
	"CAP_PERFMON",
	"CAP_BPF",
	"CAP_CHECKPOINT_RESTORE",
}
