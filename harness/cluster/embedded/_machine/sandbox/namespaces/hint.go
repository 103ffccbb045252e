package namespaces

import (
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// hint names the setting that most likely forbids namespaces.
func hint(err error) string {
	switch {
	case setting("/proc/sys/kernel/unprivileged_userns_clone") == "0" && os.Geteuid() != 0:
		return "; kernel.unprivileged_userns_clone is 0 here, which keeps users from making namespaces: " +
			"sudo sysctl kernel.unprivileged_userns_clone=1"
	case setting("/proc/sys/user/max_user_namespaces") == "0":
		return "; user.max_user_namespaces is 0 here, which forbids user namespaces: sudo sysctl user.max_user_namespaces=15000"
	case setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1" && os.Geteuid() != 0:
		return "; AppArmor keeps users from using namespaces here: sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"
	case errors.Is(err, unix.ENOSPC):
		return "; a limit on namespaces is reached: see the sysctls user.max_*_namespaces"
	case errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS):
		return "; this kernel lacks what pods need: it has to be Linux 5.2 or later with user namespaces (CONFIG_USER_NS)"
	case errors.Is(err, unix.EPERM) && strings.Contains(setting("/proc/self/status"), "Seccomp:\t2"):
		return "; a seccomp filter is in force, most likely that of a container engine, which forbids namespaces: " +
			"run outside the container, or start it with --security-opt seccomp=unconfined"
	case strings.Contains(err.Error(), "mounting /proc: operation not permitted"):
		return "; parts of /proc are hidden here, most likely by a container engine, and then no other can be mounted: " +
			"run outside the container, or start it with --security-opt systempaths=unconfined"
	default:
		return ""
	}
}

// setting reads a small file; "" if it cannot be read.
func setting(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(content))
}
