// Package chroot is the agent of one container where no namespaces can be made:
// the agent has entered the container's root itself, so that no link of an
// image and no path of a spec leads out of it. What lies outside was opened
// before.
package chroot

import (
	"errors"
	"fmt"
	"os"
	"path"
	"runtime"
	"sync"

	"rolecall.build/machine/sandbox/agent/internal/children"
	"rolecall.build/machine/sandbox/agent/internal/forkexec"
	"rolecall.build/machine/sandbox/agent/internal/image"
	"rolecall.build/machine/sandbox/agent/internal/server"
	"rolecall.build/machine/sandbox/internal/wire"

	"golang.org/x/sys/unix"
)

// agent is that of one container.
type agent struct {
	spec     wire.Chroot
	server   *server.Server
	children *children.Table
	forks    chan func()

	terminals    int // the host's /dev/pts, -1 if it has none
	emptyVolumes int // the folder that keeps the empty volumes while no container has them
	landlock     int // the rules for processes, -1 if the kernel knows none

	mu        sync.Mutex
	images    map[string]*image.Layers
	container *wire.Run // nil: it does not run
	volumes   map[string]wire.Volume
	mounts    []mountedVolume
}

// Serve enters the root that the first request names and answers all others.
func Serve(conn *wire.Conn, first wire.Request) {
	a := &agent{
		spec: *first.Chroot, children: children.New(), forks: make(chan func()), terminals: -1,
		images: map[string]*image.Layers{}, volumes: map[string]wire.Volume{},
	}
	a.server = server.New(conn, a.stop)
	go a.children.Reap()
	a.server.Answer(first, nil, func(wire.Request, []int, *wire.Reply) ([]int, error) { return nil, a.start() })
	a.server.Serve(a.handle)
}

func (a *agent) handle(request wire.Request, files []int, reply *wire.Reply) ([]int, error) {
	switch {
	case request.Image != nil:
		return nil, a.addImage(*request.Image, files)
	case request.Volume != nil:
		return nil, a.setVolume(*request.Volume)
	case request.Read != nil:
		data, err := a.readVolume(*request.Read)
		reply.Data = data
		return nil, err
	case request.Run != nil:
		return server.One(a.run(request.ID, *request.Run, files))
	case request.Exec != nil:
		return server.One(a.exec(request.ID, *request.Exec, files))
	case request.Signal != nil:
		return nil, a.children.Signal(*request.Signal)
	default:
		return nil, errors.New("unknown request")
	}
}

// start enters the root.
func (a *agent) start() (err error) {
	const folder = unix.O_DIRECTORY | unix.O_CLOEXEC
	if file, err := unix.Open("/dev/pts", folder, 0); err == nil {
		a.terminals = file
	}
	if a.emptyVolumes, err = unix.Open(path.Join(a.spec.Folder, "volumes"), folder, 0); err != nil {
		return fmt.Errorf("opening the empty volumes: %w", err)
	}
	// Orphans come to the agent, which waits for them.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("becoming the parent of orphans: %w", err)
	}
	if err := os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0); err != nil {
		return fmt.Errorf("raising oom_score_adj: %w", err)
	}
	if err := unix.Chroot(path.Join(a.spec.Folder, "root")); err != nil {
		return fmt.Errorf("entering the root: %w", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return fmt.Errorf("entering the root: %w", err)
	}
	if a.landlock, err = landlockRules(); err != nil {
		return err
	}
	go a.serveForks()
	return makeDevices()
}

// addImage notes an image for the container.
func (a *agent) addImage(add wire.Image, files []int) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.images[add.Ref] != nil {
		return nil
	}
	layers, err := image.Open(files, add.Size)
	if err != nil {
		return fmt.Errorf("adding the image %s: %w", add.Ref, err)
	}
	a.images[add.Ref] = layers
	return nil
}

// serveForks forks on a thread that stays: the kernel ends a process with the
// thread that made it, as dropPrivileges asks.
func (a *agent) serveForks() {
	runtime.LockOSThread()
	for fork := range a.forks {
		fork()
	}
}

func (a *agent) fork(child *forkexec.Child) (pid, outcome int, err error) {
	done := make(chan struct{})
	a.forks <- func() {
		pid, outcome, err = child.Fork(0)
		close(done)
	}
	<-done
	return pid, outcome, err
}
