package forkexec

import (
	"fmt"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// JoinCgroups adds the steps that enter the container's cgroups, before all
// that the process uses memory for.
func (c *Child) JoinCgroups(cgroups []int) {
	for _, procs := range cgroups {
		c.Add("joining a cgroup", 0, unix.SYS_WRITE, uintptr(procs), c.Text("0"), 1)
	}
	// The session keyring that the node's user has is none of the pod's business.
	c.Add("leaving the keyring", Lenient, unix.SYS_KEYCTL, unix.KEYCTL_JOIN_SESSION_KEYRING, 0)
}

// UseStandard makes files the standard ones, in a session of the process's own.
func (c *Child) UseStandard(files []int, terminal bool) {
	c.Add("starting a session", 0, unix.SYS_SETSID)
	for i := range 3 {
		c.Add("opening the standard files", 0, unix.SYS_DUP3, uintptr(files[i]), uintptr(i), 0)
	}
	if terminal {
		c.Add("taking the terminal", 0, unix.SYS_IOCTL, 0, unix.TIOCSCTTY, 0)
	}
}

// Execute adds the last steps: the command, looked up as a shell does.
func (c *Child) Execute(args, env []string, dir string) error {
	if len(args) == 0 || args[0] == "" {
		return &StartError{128, "no command specified"}
	}
	c.Add(fmt.Sprintf("chdir to cwd (%q) set in config.json failed", dir), Asked, unix.SYS_CHDIR, c.Text(dir))
	// Defaults first: a handler of this program would otherwise run in the child.
	ignore := &[32]byte{}
	c.keep = append(c.keep, ignore)
	for signal := range uintptr(64) {
		c.Add("resetting signals", Lenient, unix.SYS_RT_SIGACTION, signal+1, uintptr(unsafe.Pointer(ignore)), 0, 8)
	}
	c.Add("resetting signals", 0, unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(ignore)), 0, 8)
	c.Add("keeping descriptors", Lenient, unix.SYS_CLOSE_RANGE, 3, uintptr(^uint32(0)), unix.CLOSE_RANGE_CLOEXEC)
	argv, envp := c.texts(args), c.texts(env)
	for _, file := range candidates(args[0], variable(env, "PATH")) {
		c.Add(args[0], candidate, unix.SYS_EXECVE, c.Text(file), argv, envp)
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

// Environment completes a container's with what engines add.
func Environment(env []string, tty bool) []string {
	defaults := []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/"}
	if tty {
		defaults = append(defaults, "TERM=xterm")
	}
	env = slices.Clip(env)
	for _, entry := range defaults {
		name, _, _ := strings.Cut(entry, "=")
		if !slices.ContainsFunc(env, func(e string) bool { return strings.HasPrefix(e, name+"=") }) {
			env = append(env, entry)
		}
	}
	return env
}
