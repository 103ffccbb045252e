package namespaces

import (
	"fmt"
	"unsafe"

	"rolecall.build/machine/sandbox/agent/internal/forkexec"

	"golang.org/x/sys/unix"
)

// dropPrivileges adds the steps that leave a process, which has all
// capabilities of its user namespace, with what the container has.
func (c *container) dropPrivileges(child *forkexec.Child, pids int64) error {
	keep, err := capabilitySet(c.spec.Capabilities)
	if err != nil {
		return err
	}
	child.Add("setting the umask", 0, unix.SYS_UMASK, 0o022)
	if pids > 0 {
		child.Limit("limiting processes", unix.RLIMIT_NPROC, uint64(pids))
	}
	child.LimitResources()
	child.Filter(c.spec.Seccomp) // Now: it needs a capability, as long as no_new_privs is not set.
	for capability := range uint(64) {
		if keep&(1<<capability) == 0 {
			child.Add("dropping capabilities", forkexec.Lenient, unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, uintptr(capability))
		}
	}
	if !c.oneID {
		groups := make([]uint32, len(c.spec.Groups), len(c.spec.Groups)+1)
		for i, group := range c.spec.Groups {
			groups[i] = uint32(group)
		}
		child.Keep(groups)
		child.Add("setting the groups", forkexec.Asked, unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(unsafe.Pointer(unsafe.SliceData(groups))))
	}
	user, group := uintptr(c.spec.User), uintptr(c.spec.Group)
	child.Add(fmt.Sprintf("becoming the group %d", group), forkexec.Asked, unix.SYS_SETRESGID, group, group, group)
	child.Add(fmt.Sprintf("becoming the user %d", user), forkexec.Asked, unix.SYS_SETRESUID, user, user, user)
	if user != 0 {
		keep = 0
	}
	header := &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := &[2]unix.CapUserData{
		{Effective: uint32(keep), Permitted: uint32(keep)},
		{Effective: uint32(keep >> 32), Permitted: uint32(keep >> 32)},
	}
	child.Keep(header, data)
	child.Add("setting capabilities", 0, unix.SYS_CAPSET, uintptr(unsafe.Pointer(header)), uintptr(unsafe.Pointer(data)))
	if c.spec.NoNewPrivileges {
		child.Add("setting no_new_privs", 0, unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1)
	}
	return nil
}
