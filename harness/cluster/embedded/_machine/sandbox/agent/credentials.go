package main

import (
	"fmt"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// becomeContainer adds the steps that turn a process with all capabilities of its user namespace into one of the container.
func (p *program) becomeContainer(c *container, pids int64) error {
	keep, err := capabilitySet(c.spec.Capabilities)
	if err != nil {
		return err
	}
	p.add("setting the umask", 0, unix.SYS_UMASK, 0o022)
	if pids > 0 {
		p.limit("limiting processes", unix.RLIMIT_NPROC, uint64(pids))
	}
	p.limitAll()
	p.filter(c.spec.Seccomp) // Now: it needs a capability, as long as no_new_privs is not set.
	for capability := range uint(64) {
		if keep&(1<<capability) == 0 {
			p.add("dropping capabilities", lenient, unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, uintptr(capability))
		}
	}
	if !c.oneID {
		groups := make([]uint32, len(c.spec.Groups), len(c.spec.Groups)+1)
		for i, group := range c.spec.Groups {
			groups[i] = uint32(group)
		}
		p.keep = append(p.keep, groups)
		p.add("setting the groups", 0, unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(unsafe.Pointer(unsafe.SliceData(groups))))
	}
	user, group := uintptr(c.spec.User), uintptr(c.spec.Group)
	p.add(fmt.Sprintf("becoming the group %d", group), 0, unix.SYS_SETRESGID, group, group, group)
	p.add(fmt.Sprintf("becoming the user %d", user), 0, unix.SYS_SETRESUID, user, user, user)
	if user != 0 {
		keep = 0
	}
	header := &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := &[2]unix.CapUserData{
		{Effective: uint32(keep), Permitted: uint32(keep)},
		{Effective: uint32(keep >> 32), Permitted: uint32(keep >> 32)},
	}
	p.keep = append(p.keep, header, data)
	p.add("setting capabilities", 0, unix.SYS_CAPSET, uintptr(unsafe.Pointer(header)), uintptr(unsafe.Pointer(data)))
	if c.spec.NoNewPrivileges {
		p.add("setting no_new_privs", 0, unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1)
	}
	return nil
}

// openFiles is how many descriptors a process may have, and how many of one user's may be on their way through sockets. Where a pod has no ids of its
// own the node's user is the same, and the kernel would refuse to send the node's.
const openFiles = 1024

// limitAll adds the limits that all processes of containers have.
func (p *program) limitAll() {
	// Not 0: a program that the kernel pipes core dumps to, as the host's root, would be started all the same (core(5)).
	p.limit("limiting core dumps", unix.RLIMIT_CORE, 1)
	p.limit("limiting files", unix.RLIMIT_NOFILE, openFiles)
	p.limit("leaving the agent's limit", unix.RLIMIT_DATA, unix.RLIM_INFINITY)
}

// limit sets a limit, for good, as far as it can be raised.
func (p *program) limit(name string, resource uintptr, value uint64) {
	var now unix.Rlimit
	if err := unix.Prlimit(0, int(resource), nil, &now); err == nil {
		value = min(value, now.Max)
	}
	limit := &unix.Rlimit{Cur: value, Max: value}
	p.keep = append(p.keep, limit)
	p.add(name, 0, unix.SYS_PRLIMIT64, 0, resource, uintptr(unsafe.Pointer(limit)))
}

// joinLimits adds the steps that enter the container's cgroups, before all that the process uses memory for.
func (p *program) joinLimits(cgroups []int) {
	for _, procs := range cgroups {
		p.add("joining a cgroup", 0, unix.SYS_WRITE, uintptr(procs), p.text("0"), 1)
	}
	// The session keyring that the node's user has is none of the pod's business.
	p.add("leaving the keyring", lenient, unix.SYS_KEYCTL, unix.KEYCTL_JOIN_SESSION_KEYRING, 0)
}

// useStandard makes files the standard ones, in a session of the process's own.
func (p *program) useStandard(files []int, terminal bool) {
	p.add("starting a session", 0, unix.SYS_SETSID)
	for i := range 3 {
		p.add("opening the standard files", 0, unix.SYS_DUP3, uintptr(files[i]), uintptr(i), 0)
	}
	if terminal {
		p.add("taking the terminal", 0, unix.SYS_IOCTL, 0, unix.TIOCSCTTY, 0)
	}
}

// execute adds the last steps: the command, looked up as a shell does.
func (p *program) execute(args, env []string, dir string) error {
	if len(args) == 0 || args[0] == "" {
		return &startError{128, "no command specified"}
	}
	p.add(fmt.Sprintf("chdir to cwd (%q) set in config.json failed", dir), 0, unix.SYS_CHDIR, p.text(dir))
	// Defaults first: a handler of this program would otherwise run in the child.
	ignore := &[32]byte{}
	p.keep = append(p.keep, ignore)
	for signal := range uintptr(64) {
		p.add("resetting signals", lenient, unix.SYS_RT_SIGACTION, signal+1, uintptr(unsafe.Pointer(ignore)), 0, 8)
	}
	p.add("resetting signals", 0, unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(ignore)), 0, 8)
	p.add("keeping descriptors", lenient, unix.SYS_CLOSE_RANGE, 3, uintptr(^uint32(0)), unix.CLOSE_RANGE_CLOEXEC)
	argv, envp := p.texts(args), p.texts(env)
	for _, file := range candidates(args[0], variable(env, "PATH")) {
		p.add(args[0], candidate, unix.SYS_EXECVE, p.text(file), argv, envp)
	}
	return nil
}

// candidates are the files that a command's name may mean.
func candidates(name, path string) []string {
	if strings.Contains(name, "/") {
		return []string{name}
	}
	var files []string
	for folder := range strings.SplitSeq(path, ":") {
		if folder == "" {
			folder = "."
		}
		files = append(files, folder+"/"+name)
	}
	return files
}

// variable is an environment variable's last value.
func variable(env []string, name string) string {
	value := ""
	for _, entry := range env {
		if rest, ok := strings.CutPrefix(entry, name+"="); ok {
			value = rest
		}
	}
	return value
}

// spoken turns a failure into the words that runc has for it.
func spoken(err error) error {
	failed, ok := err.(*failure)
	if !ok {
		return err
	}
	if failed.flags&candidate == 0 {
		return &startError{128, err.Error()}
	}
	command := failed.name
	switch {
	case failed.errno == unix.ENOENT && !strings.Contains(command, "/"):
		return &startError{127, fmt.Sprintf("exec: %q: executable file not found in $PATH", command)}
	case failed.errno == unix.ENOENT || failed.errno == unix.ENOTDIR:
		return &startError{127, fmt.Sprintf("exec: %q: stat %s: %v", command, command, failed.errno)}
	case failed.errno == unix.EACCES:
		return &startError{126, fmt.Sprintf("exec: %q: permission denied", command)}
	default:
		return &startError{126, fmt.Sprintf("exec %s: %v", command, failed.errno)}
	}
}
