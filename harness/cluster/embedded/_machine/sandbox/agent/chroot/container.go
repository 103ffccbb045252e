package chroot

import (
	"errors"
	"fmt"
	"os"

	"rolecall.build/machine/sandbox/agent/internal/children"
	"rolecall.build/machine/sandbox/agent/internal/forkexec"
	"rolecall.build/machine/sandbox/agent/internal/terminal"
	"rolecall.build/machine/sandbox/internal/wire"

	"golang.org/x/sys/unix"
)

// run starts the container.
func (a *agent) run(id uint64, spec wire.Run, files []int) (int, error) {
	a.mu.Lock()
	layers := a.images[spec.Image]
	a.mu.Unlock()
	if layers == nil {
		return -1, fmt.Errorf("running %s: the image %s was not brought", spec.Name, spec.Image)
	}
	spec.Env = forkexec.Environment(spec.Env, spec.TTY)
	if err := a.prepareRoot(spec, layers); err != nil {
		return -1, err
	}
	started := &children.Process{Request: id}
	started.Started = func() { a.setContainer(&spec) }
	started.Ended = func() { a.setContainer(nil) }
	started.Report = func(exit wire.Exit) {
		go func() { // other children have to be waited for meanwhile
			a.stop()
			a.server.Exited(id, exit)
		}()
	}
	return a.launch(started, spec, a.spec.User, spec.Args, spec.TTY, files)
}

func (a *agent) setContainer(spec *wire.Run) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.container = spec
}

// errNotRunning is what runc says.
var errNotRunning = errors.New("container not running")

// exec starts a process beside the container's first, as another user: what it
// kills is its like.
func (a *agent) exec(id uint64, spec wire.Exec, files []int) (int, error) {
	a.mu.Lock()
	container := a.container
	a.mu.Unlock()
	if container == nil {
		return -1, errNotRunning
	}
	started := &children.Process{Request: id, Report: func(exit wire.Exit) { a.server.Exited(id, exit) }}
	return a.launch(started, *container, a.spec.User+1, spec.Args, spec.TTY, files)
}

func (a *agent) launch(started *children.Process, spec wire.Run, user int, args []string, tty bool, files []int) (int, error) {
	t, files, err := terminal.Standard(tty, files, func() (*terminal.Terminal, error) {
		return terminal.Open(a.terminals, "ptmx", user, a.spec.User)
	})
	if err != nil {
		return -1, err
	}
	defer t.Close()
	child := &forkexec.Child{}
	child.UseStandard(files, tty)
	a.dropPrivileges(child, user, spec.Seccomp)
	if err := child.Execute(args, forkexec.Environment(spec.Env, tty), spec.Dir); err != nil {
		return -1, err
	}
	if err := a.children.Launch(started, child, func() (int, int, error) { return a.fork(child) }); err != nil {
		return -1, err
	}
	return t.TakeMaster(), nil
}

// stop kills all that runs in the container and puts its empty volumes aside,
// for the next run.
func (a *agent) stop() {
	if err := a.killAll(); err != nil {
		fmt.Fprintln(os.Stderr, "sandbox agent:", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, mounted := range a.mounts {
		if mounted.empty {
			// What a container has made of the place is its own affair: the next one
			// finds an empty volume then.
			_ = unix.Renameat(unix.AT_FDCWD, mounted.target, a.emptyVolumes, mounted.Volume)
		}
	}
}
