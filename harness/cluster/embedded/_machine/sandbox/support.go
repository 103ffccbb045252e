package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Mapping is which ids a pod's user namespace has.
type Mapping string

const (
	// MappingRange gives a pod the ids 0 to 65535, mapped to ids of the host that nobody uses. It needs root.
	MappingRange Mapping = "range"
	// MappingSingle gives each container one user and one group, both the node's own on the host: all files are the container's, supplementary
	// groups do not exist.
	MappingSingle Mapping = "single"
	// MappingChroot is for root on a machine where no namespaces can be made, such as a container: each container is a chroot with host users of its
	// own, its first process one, what Exec starts another. See Support.Weaker.
	MappingChroot Mapping = "chroot"
)

// What limits a pod's resources.
const (
	LimitCgroup1 = "cgroup v1"
	LimitCgroup2 = "cgroup v2"
	// LimitWatch measures the containers' memory 20 times a second. Of one over its limit it kills the greediest processes, and the whole container if
	// others come in their place.
	LimitWatch = "watch"
	// LimitRlimit is RLIMIT_NPROC, counted for each user of a pod.
	LimitRlimit = "rlimit"
	LimitNone   = "none"
)

// Support is what this machine allows.
type Support struct {
	Mapping Mapping
	// Memory, PIDs and CPU say which of the Limit constants is in force.
	Memory, PIDs, CPU string
	// Weaker says in a sentence what MappingChroot does not give, and Why what keeps this machine from giving more; empty otherwise.
	Weaker, Why string
	// Missing says in a sentence why cgroups are not in force; empty if all are.
	Missing string
}

// Support finds out what this machine allows, by doing it, once. The error says in a sentence why no pod can run here.
func (r *Runtime) Support(ctx context.Context) (Support, error) {
	r.trying.Lock()
	defer r.trying.Unlock()
	if r.support != nil {
		return *r.support, nil
	}
	mapping, reason, err := r.tryMappings(ctx)
	if err != nil {
		return Support{}, err
	}
	if mapping == MappingChroot {
		r.support = r.chrootSupport(reason)
		r.filters.stricter = withoutNamespaces(restrictsNetwork())
		return *r.support, nil
	}
	support := Support{Mapping: mapping, Memory: LimitWatch, PIDs: LimitRlimit, CPU: LimitNone}
	r.cgroups, err = r.tryCgroups(ctx, mapping)
	if err != nil {
		if ctx.Err() != nil {
			return Support{}, context.Cause(ctx)
		}
		support.Missing = err.Error()
	}
	if r.cgroups.limits("memory") {
		support.Memory = r.cgroups.version
	} else {
		r.filters.stricter = withoutCgroup()
	}
	if r.cgroups.limits("pids") {
		support.PIDs = r.cgroups.version
	}
	if r.cgroups.limits("cpu") {
		support.CPU = r.cgroups.version
	}
	r.support = &support
	return support, nil
}

// tryMappings returns the first that works. With MappingChroot comes why no other does.
func (r *Runtime) tryMappings(ctx context.Context) (mapping Mapping, reason, err error) {
	for _, mapping := range mappings(os.Geteuid(), setting("/proc/self/uid_map")) {
		if reason = r.try(ctx, mapping, nil); reason == nil {
			return mapping, nil, nil
		}
		if ctx.Err() != nil {
			return "", nil, context.Cause(ctx)
		}
	}
	reason = fmt.Errorf("trying a pod on this machine: %w%s", reason, hint(reason))
	if err := r.tryChroot(ctx); err != nil {
		return "", nil, fmt.Errorf("%w; nor can pods be chroots here: %w", reason, err)
	}
	return MappingChroot, reason, nil
}

// mappings are those to try for a user, in a user namespace with this map (user_namespaces(7)). Where there is but one id, a container's root is the
// user itself: the machine's root is not given away so, because much of the kernel's is root's without any capability.
func mappings(user int, idMap string) []Mapping {
	const machine = "0 0 4294967295"
	switch {
	case user != 0:
		return []Mapping{MappingSingle}
	case strings.Join(strings.Fields(idMap), " ") == machine:
		return []Mapping{MappingRange}
	}
	return []Mapping{MappingRange, MappingSingle}
}

// try starts a pod and ends it.
func (r *Runtime) try(ctx context.Context, mapping Mapping, cgroups *hierarchy) error {
	spec := PodSpec{
		UID: fmt.Sprintf("try-%d", os.Getpid()), Name: "try", Hostname: "try", Addresses: []netip.Addr{netip.AddrFrom4([4]byte{10, 96, 0, 1})},
	}
	p, err := r.start(ctx, spec, mapping, cgroups)
	if err != nil {
		return err
	}
	return p.Close()
}

// tryCgroups returns the first place for cgroups that works.
func (r *Runtime) tryCgroups(ctx context.Context, mapping Mapping) (*hierarchy, error) {
	places, err := hierarchies()
	if err != nil {
		return nil, err
	}
	var failures []error
	for _, place := range places {
		if err := r.try(ctx, mapping, place); err != nil {
			failures = append(failures, err)
			continue
		}
		return place, place.missing()
	}
	return nil, sentence(failures)
}

// sentence puts errors on one line.
func sentence(failures []error) error {
	var parts []string
	for _, failure := range failures {
		if failure != nil {
			parts = append(parts, failure.Error())
		}
	}
	return errors.New(strings.Join(parts, "; "))
}

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
