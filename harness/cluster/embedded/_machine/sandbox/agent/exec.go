package main

import (
	"fmt"

	"rolecall.build/machine/sandbox/internal/wire"

	"golang.org/x/sys/unix"
)

// exec starts a process in a container: this thread joins the container's mounts and has its children in its PID namespace; the child joins
// the rest, which a process with several threads cannot.
func (p *pod) exec(id uint64, spec wire.Exec, files []int) (int, error) {
	p.mu.Lock()
	c := p.containers[spec.Container]
	p.mu.Unlock()
	if c == nil {
		return -1, errNotRunning
	}
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return -1, fmt.Errorf("leaving the agent's root: %w", err)
	}
	spaces, err := p.open(c)
	if err != nil {
		return -1, err
	}
	defer spaces.close()
	if err := unix.Setns(spaces.mounts, unix.CLONE_NEWNS); err != nil {
		return -1, fmt.Errorf("joining the container's mounts: %w", err)
	}
	if err := unix.Setns(spaces.pids, unix.CLONE_NEWPID); err != nil {
		return -1, fmt.Errorf("joining the container's processes: %w", err)
	}
	t, files, err := p.standard(c, spec.TTY, files)
	if err != nil {
		return -1, err
	}
	defer t.close()

	child := &program{}
	// The container's processes see this one before it is one of them.
	child.add("hiding the process", 0, unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 0)
	child.joinLimits(files[3:])
	child.add("joining the container's cgroup namespace", lenient, unix.SYS_SETNS, uintptr(spaces.cgroups), unix.CLONE_NEWCGROUP)
	if c.nested {
		child.add("joining the container's user namespace", 0, unix.SYS_SETNS, uintptr(spaces.users), unix.CLONE_NEWUSER)
	}
	child.useStandard(files, spec.TTY)
	if err := child.becomeContainer(c, p.boot.PIDs); err != nil {
		return -1, err
	}
	env := c.spec.Env
	if spec.TTY && !has(env, "TERM") {
		env = append(env[:len(env):len(env)], "TERM=xterm")
	}
	if err := child.execute(spec.Args, env, c.spec.Dir); err != nil {
		return -1, err
	}
	if err := p.launch(child, 0, &process{id: id}); err != nil {
		return -1, spoken(err)
	}
	return t.take(), nil
}

// namespaces are descriptors of a container's.
type namespaces struct{ mounts, pids, cgroups, users int }

// open opens the container's namespaces, and makes sure that it had not ended before, when another process may have got its PID.
func (p *pod) open(c *container) (n namespaces, err error) {
	n = namespaces{-1, -1, -1, -1}
	for name, file := range map[string]*int{"mnt": &n.mounts, "pid": &n.pids, "cgroup": &n.cgroups, "user": &n.users} {
		*file, err = unix.Open(fmt.Sprintf("/proc/%d/ns/%s", c.pid, name), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			n.close()
			return n, errNotRunning
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.ended {
		n.close()
		return n, errNotRunning
	}
	return n, nil
}

func (n namespaces) close() {
	for _, file := range []int{n.mounts, n.pids, n.cgroups, n.users} {
		if file >= 0 {
			unix.Close(file)
		}
	}
}
