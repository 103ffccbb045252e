package namespaces

import (
	"fmt"

	"rolecall.build/machine/sandbox/agent/internal/forkexec"

	"golang.org/x/sys/unix"
)

// mountProc mounts /proc for the PID namespace the child is the first of, with
// what engines hide and protect there. The agent's own is mounted there until
// then, because in a user namespace the kernel allows a /proc only where there
// is another one. What hides a file is null, a descriptor of /dev/null: by its
// path it could be something that a volume has there.
func mountProc(child *forkexec.Child, null int) {
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	const attributes = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC
	child.Add("mounting /proc", forkexec.Store, unix.SYS_FSOPEN, child.Text("proc"), unix.FSOPEN_CLOEXEC)
	child.Add("mounting /proc", forkexec.Use, unix.SYS_FSCONFIG, 0, unix.FSCONFIG_CMD_CREATE)
	child.Add("mounting /proc", forkexec.Use|forkexec.Store, unix.SYS_FSMOUNT, 0, unix.FSMOUNT_CLOEXEC, attributes)
	child.Add("mounting /proc", 0, unix.SYS_UMOUNT2, child.Text("/proc"), unix.MNT_DETACH)
	child.Add("mounting /proc", forkexec.Use, unix.SYS_MOVE_MOUNT, 0, child.Text(""), forkexec.AtCurrent, child.Text("/proc"), unix.MOVE_MOUNT_F_EMPTY_PATH)
	// For forbidUserNamespaces, which comes when this is read-only.
	child.Add("opening /proc/sys", forkexec.Store, unix.SYS_OPENAT, forkexec.AtCurrent, child.Text("/proc/sys"), unix.O_PATH|unix.O_CLOEXEC)
	for _, masked := range []string{
		"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug",
		"/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware",
	} {
		// It is a file or a folder: one of the two does not apply.
		child.Mount("masking "+masked, forkexec.Optional, fmt.Sprintf("/proc/self/fd/%d", null), masked, "", unix.MS_BIND, "")
		child.Mount("masking "+masked, forkexec.Optional, "tmpfs", masked, "tmpfs", unix.MS_RDONLY|flags, "size=0,nr_inodes=2")
	}
	for _, protected := range []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"} {
		child.Mount("protecting "+protected, forkexec.Optional, protected, protected, "", unix.MS_BIND|unix.MS_REC, "")
		child.Mount("protecting "+protected, forkexec.Optional, "", protected, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY|flags, "")
	}
}

// forbidUserNamespaces sets the limit of the child's own user namespace. The pod's
// is raised while that is made, and the command may run before it is back at 0.
// The child still has /proc/sys as it was before it was protected:
// which namespace's limit is opened there depends on who opens it.
func forbidUserNamespaces(child *forkexec.Child) {
	const name = "forbidding user namespaces"
	child.Add(name, forkexec.Use|forkexec.Store, unix.SYS_OPENAT, 0, child.Text("user/max_user_namespaces"), unix.O_WRONLY|unix.O_CLOEXEC)
	child.Add(name, forkexec.Use, unix.SYS_WRITE, 0, child.Text("0"), 1)
	child.Add(name, forkexec.Use, unix.SYS_CLOSE)
}

// mapUser makes a user namespace in which the pod's root has the container's
// ids.
func mapUser(child *forkexec.Child, user, group int64) {
	child.Add("making a user namespace", 0, unix.SYS_UNSHARE, unix.CLONE_NEWUSER)
	forbidUserNamespaces(child)
	child.WriteFile("mapping the group", "/proc/self/setgroups", "deny")
	child.WriteFile("mapping the group", "/proc/self/gid_map", fmt.Sprintf("%d 0 1", group))
	child.WriteFile("mapping the user", "/proc/self/uid_map", fmt.Sprintf("%d 0 1", user))
}
