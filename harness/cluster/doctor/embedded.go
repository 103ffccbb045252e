package doctor

import (
	"fmt"
	"strings"
)

// embeddedCluster says whether pods can be isolated processes here, and if
// not, which permission is missing.
func embeddedCluster(m Machine) Finding {
	weaker, err := m.Embedded()
	switch {
	case err == nil && weaker != "":
		return Finding{OK, Embedded, "The embedded cluster works here, without a container engine, though its pods are less isolated: " + weaker + ".", nil}
	case err == nil:
		return Finding{OK, Embedded, "Pods can be isolated processes here: the embedded cluster starts in seconds, without a container engine and without root.", nil}
	case m.GOOS != "linux":
		return Finding{Fix, Embedded, "The embedded cluster needs Linux; here labs run on kind.", []Advice{{"Use kind", m.Try + " CLUSTER=kind"}}}
	}
	zero := func(file string) bool {
		n, known := number(m, "/proc/sys/"+file)
		return known && n == 0
	}
	one, _ := number(m, "/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
	why := "which this machine does not allow"
	next := []Advice{m.elsewhere()}
	switch {
	case zero("user/max_user_namespaces"):
		why = "of which none is allowed here (user.max_user_namespaces is 0)"
		next = allow("user.max_user_namespaces=15000")
	case zero("kernel/unprivileged_userns_clone"):
		why = "which only root may create here (kernel.unprivileged_userns_clone is 0)"
		next = allow("kernel.unprivileged_userns_clone=1")
	case one == 1:
		why = "which AppArmor makes useless to programs without a profile, unless root runs them (kernel.apparmor_restrict_unprivileged_userns is 1)"
		next = append(allowProgram(m.Program), append(allow("kernel.apparmor_restrict_unprivileged_userns=0"), next...)...)
	case m.filtered():
		why = "which the seccomp filter of the container around this program forbids"
		next = []Advice{{"If you chose how this container is started, allow them", "docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined …"}}
	}
	return Finding{Fix, Embedded, fmt.Sprintf("The embedded cluster is unavailable: its pods need unprivileged user namespaces, %s. It said: %v.", why, err), next}
}

// allowProgram is how to allow user namespaces on Ubuntu to one program alone.
// What it starts, the cluster, runs under the same profile, since the profile
// confines nothing.
func allowProgram(file string) []Advice {
	if file == "" {
		return nil
	}
	return []Advice{{"Allow them to this program alone, for good (again if you move it)",
		`echo 'abi <abi/4.0>, profile rolecall "` + file + `" flags=(unconfined) { userns, }' | sudo tee /etc/apparmor.d/rolecall
sudo apparmor_parser --replace /etc/apparmor.d/rolecall`}}
}

func allow(setting string) []Advice {
	return []Advice{{"Allow them to every program until the next restart (for good: the same setting in /etc/sysctl.d/99-rolecall.conf)", "sudo sysctl " + setting}}
}

// filtered reports whether a seccomp filter is on this process.
func (m Machine) filtered() bool {
	status, _ := m.ReadFile("/proc/self/status")
	return strings.Contains(string(status), "Seccomp:\t2")
}
