package doctor

import (
	"fmt"
	"strings"
)

// embeddedCluster tells whether pods can be isolated processes here, and if
// not, which permission is missing.
func embeddedCluster(m Machine) Finding {
	weaker, err := m.Embedded()
	switch {
	case err == nil && weaker != "":
		return Finding{OK, Embedded, "The embedded cluster works here, without a container engine, though its pods are less isolated: " + weaker + ".", nil}
	case err == nil:
		return Finding{OK, Embedded, "Pods can be isolated processes here: the embedded cluster starts in seconds, without a container engine and without root.", nil}
	case m.GOOS != "linux":
		return Finding{Note, Embedded, "The embedded cluster needs Linux; here a lab runs on kind.", nil}
	}
	zero := func(file string) bool {
		n, known := number(m, "/proc/sys/"+file)
		return known && n == 0
	}
	one, _ := number(m, "/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
	missing := "a user name space, and the kernel does not say why"
	next := []Advice{elsewhere}
	switch {
	case zero("user/max_user_namespaces"):
		missing = "user name spaces, of which none is allowed here (user.max_user_namespaces is 0)"
		next = allow("user.max_user_namespaces=15000")
	case zero("kernel/unprivileged_userns_clone"):
		missing = "user name spaces, which only root may make here (kernel.unprivileged_userns_clone is 0)"
		next = allow("kernel.unprivileged_userns_clone=1")
	case one == 1:
		missing = "user name spaces with rights of their own, which AppArmor keeps from programs without a profile (kernel.apparmor_restrict_unprivileged_userns is 1)"
		next = allow("kernel.apparmor_restrict_unprivileged_userns=0")
	case m.filtered():
		missing = "user name spaces, which the seccomp filter of the container that this runs in forbids"
		next = []Advice{{"If you chose how this container is started, let it make them", "docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined …"}}
	}
	return Finding{Note, Embedded, fmt.Sprintf("The embedded cluster cannot be had: a pod there needs %s. It said: %v.", missing, strings.TrimSuffix(err.Error(), "; type make doctor")), next}
}

func allow(setting string) []Advice {
	return []Advice{{"Allow it until the next restart (for good: the same setting in /etc/sysctl.d/99-rolecall.conf)", "sudo sysctl " + setting}}
}

// filtered reports whether a seccomp filter stands over this process.
func (m Machine) filtered() bool {
	status, _ := m.ReadFile("/proc/self/status")
	return strings.Contains(string(status), "Seccomp:\t2")
}
