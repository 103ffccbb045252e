package namespaces

import (
	"errors"
	"fmt"
	"os"

	"rolecall.build/machine/sandbox/agent/internal/children"
	"rolecall.build/machine/sandbox/agent/internal/forkexec"
	"rolecall.build/machine/sandbox/agent/internal/image"
	"rolecall.build/machine/sandbox/agent/internal/terminal"
	"rolecall.build/machine/sandbox/internal/wire"

	"golang.org/x/sys/unix"
)

// container is one that runs. The lock of the pod's children guards pid, ended
// and overLimit.
type container struct {
	spec wire.Run
	pid  int
	// oneID says that the container's user namespace maps no more than its user
	// and group: the pod's where the pod has one id itself and the container runs
	// as root, a further one of the container's own (nested) otherwise.
	oneID, nested bool
	ended         bool
	overLimit     bool     // one of its processes was killed for its memory
	null          int      // its /dev/null, while it is made; 0: not opened yet
	changes       *os.File // the file system in memory that holds what it writes outside volumes
}

// maxContainers is how many user namespaces a pod may have while one for a
// container is made.
const maxContainers = 1 << 10

// newContainer decides the user namespace and completes the environment.
func (p *pod) newContainer(spec wire.Run) *container {
	spec.Env = forkexec.Environment(spec.Env, spec.TTY)
	if spec.Disk <= 0 {
		spec.Disk = defaultDisk
	}
	beyond := spec.User > image.HighestID || spec.Group > image.HighestID || spec.User < 0 || spec.Group < 0
	nested := beyond || p.spec.OneID && (spec.User != 0 || spec.Group != 0)
	return &container{spec: spec, nested: nested, oneID: nested || p.spec.OneID}
}

// run starts a container: this thread makes its root, in a mount namespace of
// its own, and the container's process is forked there.
func (p *pod) run(id uint64, spec wire.Run, files []int) (master int, err error) {
	c := p.newContainer(spec)
	p.mu.Lock()
	img, known := p.images[spec.Image]
	p.mu.Unlock()
	if !known {
		return -1, fmt.Errorf("running %s: the image %s was not brought", spec.Name, spec.Image)
	}
	if p.running(spec.Name) != nil {
		return -1, fmt.Errorf("running %s: it runs already", spec.Name)
	}
	p.forking.RLock()
	err = p.prepareRoot(c, img)
	p.forking.RUnlock()
	defer func() {
		if c.null > 0 {
			unix.Close(c.null)
		}
		if err != nil && c.changes != nil {
			c.changes.Close()
		}
	}()
	if err != nil {
		return -1, forkexec.InSpec(err)
	}
	t, files, err := terminal.Standard(spec.TTY, files, c.openTerminal)
	if err != nil {
		return -1, err
	}
	defer t.Close()

	child := &forkexec.Child{}
	child.JoinCgroups(files[3:])
	child.Add("making a cgroup namespace", forkexec.Lenient, unix.SYS_UNSHARE, unix.CLONE_NEWCGROUP)
	mountProc(child, c.null)
	if c.nested {
		mapUser(child, spec.User, spec.Group)
	}
	child.UseStandard(files, spec.TTY)
	if err := c.dropPrivileges(child, p.spec.PIDs); err != nil {
		return -1, err
	}
	if err := child.Execute(spec.Args, c.spec.Env, spec.Dir); err != nil {
		return -1, err
	}
	started := p.process(id, c)
	started.Started = func() {
		c.pid = started.PID
		p.containers[spec.Name] = c
	}
	started.Ended = func() { p.forget(c) }
	if err := p.launch(child, unix.CLONE_NEWPID, started, c.nested); err != nil {
		return -1, err
	}
	return t.TakeMaster(), nil
}

// process is one that a request starts in a container.
func (p *pod) process(request uint64, c *container) *children.Process {
	started := &children.Process{Request: request}
	started.Report = func(exit wire.Exit) {
		exit.OOMKilled = p.killedForMemory(started, c, exit)
		p.server.Exited(request, exit)
	}
	return started
}

// launch starts a process. nested says that it makes a user namespace of its
// own.
func (p *pod) launch(child *forkexec.Child, flags uintptr, started *children.Process, nested bool) (err error) {
	p.forking.Lock()
	defer p.forking.Unlock()
	if nested {
		if err := p.limitUserNamespaces(maxContainers); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, p.limitUserNamespaces(0)) }()
	}
	return p.children.Launch(started, child, func() (int, int, error) { return child.Fork(flags) })
}

// running finds a container. nil: none of that name runs.
func (p *pod) running(name string) *container {
	p.children.Lock()
	defer p.children.Unlock()
	return p.containers[name]
}

// forget frees the name of a container that ended or did not start.
func (p *pod) forget(c *container) {
	c.ended = true
	c.changes.Close() // which would keep it in memory
	if p.containers[c.spec.Name] == c {
		delete(p.containers, c.spec.Name)
	}
}

// openTerminal makes a terminal in the container's root, which must be the
// thread's.
func (c *container) openTerminal() (*terminal.Terminal, error) {
	user := int(c.spec.User)
	if c.oneID {
		user = -1
	}
	return terminal.Open(unix.AT_FDCWD, "/dev/pts/ptmx", user, -1)
}

// errNotRunning is what runc says.
var errNotRunning = errors.New("container not running")
