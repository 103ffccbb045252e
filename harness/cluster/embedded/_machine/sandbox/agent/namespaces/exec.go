package namespaces

import (
	"fmt"

	"rolecall.build/machine/sandbox/agent/internal/forkexec"
	"rolecall.build/machine/sandbox/agent/internal/terminal"
	"rolecall.build/machine/sandbox/internal/wire"

	"golang.org/x/sys/unix"
)

// exec starts a process in a container: this thread joins the container's
// mounts and has its children in its PID namespace; the child joins the rest,
// which a process with several threads cannot.
func (p *pod) exec(id uint64, spec wire.Exec, files []int) (int, error) {
	c := p.running(spec.Container)
	if c == nil {
		return -1, errNotRunning
	}
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return -1, fmt.Errorf("leaving the agent's root: %w", err)
	}
	opened, err := p.open(c)
	if err != nil {
		return -1, err
	}
	defer opened.close()
	if err := unix.Setns(opened.mounts, unix.CLONE_NEWNS); err != nil {
		return -1, fmt.Errorf("joining the container's mounts: %w", err)
	}
	if err := unix.Setns(opened.pids, unix.CLONE_NEWPID); err != nil {
		return -1, fmt.Errorf("joining the container's processes: %w", err)
	}
	t, files, err := terminal.Standard(spec.TTY, files, c.openTerminal)
	if err != nil {
		return -1, err
	}
	defer t.Close()

	child := &forkexec.Child{}
	// The container's processes see this one before it is one of them.
	child.Add("hiding the process", 0, unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 0)
	child.JoinCgroups(files[3:])
	child.Add("joining the container's cgroup namespace", forkexec.Lenient, unix.SYS_SETNS, uintptr(opened.cgroups), unix.CLONE_NEWCGROUP)
	if c.nested {
		child.Add("joining the container's user namespace", 0, unix.SYS_SETNS, uintptr(opened.users), unix.CLONE_NEWUSER)
	}
	child.UseStandard(files, spec.TTY)
	if err := c.dropPrivileges(child, p.spec.PIDs); err != nil {
		return -1, err
	}
	if err := child.Execute(spec.Args, forkexec.Environment(c.spec.Env, spec.TTY), c.spec.Dir); err != nil {
		return -1, err
	}
	if err := p.launch(child, 0, p.process(id, c), false); err != nil {
		return -1, err
	}
	return t.TakeMaster(), nil
}

// namespaceFiles are descriptors of a container's namespaces.
type namespaceFiles struct{ mounts, pids, cgroups, users int }

// open opens the container's namespaces, and makes sure that it had not ended
// before, when another process may have got its PID.
func (p *pod) open(c *container) (n namespaceFiles, err error) {
	n = namespaceFiles{-1, -1, -1, -1}
	for name, file := range map[string]*int{"mnt": &n.mounts, "pid": &n.pids, "cgroup": &n.cgroups, "user": &n.users} {
		*file, err = unix.Open(fmt.Sprintf("/proc/%d/ns/%s", c.pid, name), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			n.close()
			return n, errNotRunning
		}
	}
	p.children.Lock()
	defer p.children.Unlock()
	if c.ended {
		n.close()
		return n, errNotRunning
	}
	return n, nil
}

func (n namespaceFiles) close() {
	for _, file := range []int{n.mounts, n.pids, n.cgroups, n.users} {
		if file >= 0 {
			unix.Close(file)
		}
	}
}
