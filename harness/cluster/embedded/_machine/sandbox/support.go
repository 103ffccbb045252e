package sandbox

// Mode is how pods are isolated.
type Mode string

const (
	// ModeNamespaces gives a pod namespaces, and the ids 0 to 65535, mapped to ids
	// of the host that nobody uses. It needs root.
	ModeNamespaces Mode = "namespaces"
	// ModeRootless gives a pod namespaces, and each container one user and one
	// group, both the node's own on the host: all files are the container's,
	// supplementary groups do not exist.
	ModeRootless Mode = "rootless"
	// ModeChroot is for root on a machine where no namespaces can be made, such as
	// a container: each container is a chroot with host users of its own, its
	// first process one, what Exec starts another. See Support.Weaker.
	ModeChroot Mode = "chroot"
)

// What limits a pod's resources.
const (
	LimitCgroup1 = "cgroup v1"
	LimitCgroup2 = "cgroup v2"
	// LimitWatch measures the containers' memory 20 times a second. Of one over
	// its limit it kills the greediest processes, and the whole container if
	// others come in their place.
	LimitWatch = "watch"
	// LimitRlimit is RLIMIT_NPROC, counted for each user of a pod.
	LimitRlimit = "rlimit"
	LimitNone   = "none"
)

// Support is what this machine allows.
type Support struct {
	Mode Mode
	// Memory, PIDs and CPU say which of the Limit constants is in force.
	Memory, PIDs, CPU string
	// Servers reports whether what runs in a pod can listen for TCP connections.
	Servers bool
	// Weaker says in a sentence what ModeChroot does not give, and Why what keeps
	// this machine from giving more; empty otherwise.
	Weaker, Why string
	// Missing says in a sentence why cgroups are not in force; empty if all are.
	Missing string
}
