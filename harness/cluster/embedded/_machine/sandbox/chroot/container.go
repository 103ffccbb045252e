package chroot

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"rolecall.build/machine/sandbox"
	"rolecall.build/machine/sandbox/internal/agents"
	"rolecall.build/machine/sandbox/internal/wire"

	"golang.org/x/sys/unix"
)

// container is a chroot with users. It outlives its runs, for the sake of their
// empty volumes.
type container struct {
	pod    *Pod
	name   string
	user   int // the first of its ids
	folder string

	// changing is held while a run starts, and while the container is removed.
	changing sync.Mutex
	sockets  atomic.Int64 // that its processes have

	// The pod's lock guards these, which are the newest run's.
	agent   *agents.Agent
	process *agents.Process
	mounts  []sandbox.Mount
	memory  int64 // limits in bytes; 0: none
	disk    int64
	killed  map[int]bool // processes that were killed for their memory, by PID
	ending  bool         // all of them are
}

// limits of a container and what it is measured for.
type limits struct{ memory, disk int64 }

// container finds or makes the container, refuses what cannot be run, and notes
// the spec's mounts and limits. The caller unlocks changing.
func (p *Pod) container(spec sandbox.ContainerSpec) (*container, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closing {
		return nil, sandbox.ErrGone
	}
	if err := p.shareNoFolder(spec); err != nil {
		return nil, err
	}
	c := p.containers[spec.Name]
	if c == nil {
		c = &container{pod: p, name: spec.Name}
		p.runtime.users.take(c)
		c.folder = filepath.Join(p.runtime.dir, strconv.Itoa(c.user))
		p.containers[spec.Name] = c
	}
	if c.process != nil && !c.process.Ended() || !c.changing.TryLock() {
		return nil, errors.New("it runs already")
	}
	c.mounts, c.memory, c.disk = spec.Mounts, spec.Memory, p.diskLimit(spec)
	return c, nil
}

func (c *container) mounted(volume string) bool {
	return slices.ContainsFunc(c.mounts, func(m sandbox.Mount) bool { return m.Volume == volume })
}

// shareNoFolder refuses an empty volume that two mounts would have to share.
func (p *Pod) shareNoFolder(spec sandbox.ContainerSpec) error {
	type use struct{ mounts, writable int }
	uses := map[string]use{}
	count := func(mounts []sandbox.Mount) {
		for _, m := range mounts {
			u := uses[m.Volume]
			u.mounts++
			if !m.ReadOnly {
				u.writable++
			}
			uses[m.Volume] = u
		}
	}
	count(spec.Mounts)
	for name, other := range p.containers {
		if name != spec.Name {
			count(other.mounts)
		}
	}
	for _, m := range spec.Mounts {
		if u := uses[m.Volume]; p.volumes[m.Volume].Files == nil && u.mounts > 1 && u.writable > 0 {
			return &sandbox.NotSupportedError{Message: fmt.Sprintf(
				"the emptyDir volume %s is mounted more than once: without namespaces, the containers of a pod cannot share a folder", m.Volume)}
		}
	}
	return nil
}

// As the agent has them where volumes are file systems, in bytes.
const (
	defaultDisk   = 128 << 20
	defaultVolume = 64 << 20
)

// diskLimit is what a container may write, to its root and to its empty
// volumes.
func (p *Pod) diskLimit(spec sandbox.ContainerSpec) int64 {
	limit := spec.Disk
	if limit <= 0 {
		limit = defaultDisk
	}
	for _, m := range spec.Mounts {
		v := p.volumes[m.Volume]
		switch {
		case v.Files != nil || m.ReadOnly:
		case v.SizeLimit > 0:
			limit += v.SizeLimit
		default:
			limit += defaultVolume
		}
	}
	if whole := p.spec.Disk; whole > 0 {
		limit = min(limit, whole)
	}
	return limit
}

// run starts the container in its chroot, which is emptied before.
func (c *container) run(ctx context.Context, spec sandbox.ContainerSpec) (*agents.Process, error) {
	agent, err := c.startAgent(ctx)
	if err != nil {
		return nil, err
	}
	for name, v := range c.volumes() {
		if err := agent.SetVolume(name, v); err != nil {
			return nil, err
		}
	}
	layers, err := c.pod.runtime.images.Keep(spec.Image)
	if err != nil {
		return nil, err
	}
	image := wire.Image{Ref: spec.Image, Size: layers.Size}
	if _, _, err := agent.Call(ctx, wire.Request{Image: &image}, layers.Descriptors()...); err != nil {
		return nil, err
	}
	spec.Capabilities = nil // it has none, so its filter must not know any
	filter, err := c.pod.runtime.filters.Of(nil)
	if err != nil {
		return nil, err
	}
	process, err := agent.Start(ctx, agents.Start{
		Request: agents.Run(spec, filter), TTY: spec.TTY, Stdin: spec.Stdin, Stdout: spec.Stdout, Stderr: spec.Stderr, OnEnd: c.killedForMemory,
	})
	if err != nil {
		return nil, err
	}
	c.pod.mu.Lock()
	defer c.pod.mu.Unlock()
	c.process = process
	return process, nil
}

// startAgent ends the last run and starts the agent of the next.
func (c *container) startAgent(ctx context.Context) (*agents.Agent, error) {
	if err := c.closeAgent(); err != nil {
		return nil, err
	}
	if err := c.clean(); err != nil {
		return nil, err
	}
	c.sockets.Store(0)
	agent, err := c.pod.runtime.program.Start(&syscall.SysProcAttr{Setsid: true}, orderlyEnd)
	if err != nil {
		return nil, err
	}
	c.pod.mu.Lock()
	if c.pod.closing {
		err = sandbox.ErrGone
	} else {
		c.agent, c.process, c.killed, c.ending = agent, nil, map[int]bool{}, false
	}
	first := wire.Chroot{Folder: c.folder, User: c.user, Disk: c.disk, PIDs: c.pod.spec.PIDs}
	c.pod.mu.Unlock()
	if err == nil {
		_, _, err = agent.Call(ctx, wire.Request{Chroot: &first})
	}
	if err != nil {
		return nil, errors.Join(err, agent.Close())
	}
	return agent, nil
}

// orderlyEnd is what an agent gets to end what it started: the kernel does not.
const orderlyEnd = 8 * time.Second

func (c *container) closeAgent() error {
	c.pod.mu.Lock()
	agent := c.agent
	c.pod.mu.Unlock()
	if agent == nil {
		return nil
	}
	return agent.Close()
}

// clean removes what the last run left, its empty volumes apart.
func (c *container) clean() error {
	if err := os.RemoveAll(filepath.Join(c.folder, "root")); err != nil {
		return fmt.Errorf("emptying the container's folder: %w", err)
	}
	for _, folder := range []struct {
		name string
		mode os.FileMode
	}{{"", 0o711}, {"volumes", 0o700}, {"root", 0o755}} {
		if err := os.MkdirAll(filepath.Join(c.folder, folder.name), folder.mode); err != nil {
			return fmt.Errorf("making the container's folder: %w", err)
		}
	}
	return nil
}

// volumes are those that the container mounts.
func (c *container) volumes() map[string]sandbox.Volume {
	c.pod.mu.Lock()
	defer c.pod.mu.Unlock()
	all := maps.Clone(c.pod.volumes)
	maps.DeleteFunc(all, func(name string, _ sandbox.Volume) bool { return !c.mounted(name) })
	return all
}

func (c *container) exec(ctx context.Context, spec sandbox.ExecSpec) (*agents.Process, error) {
	c.pod.mu.Lock()
	agent := c.agent
	c.pod.mu.Unlock()
	if agent == nil {
		return nil, errors.New("container not running")
	}
	return agent.Start(ctx, agents.Start{
		Request: wire.Request{Exec: &wire.Exec{Container: c.name, Args: spec.Args, TTY: spec.TTY}},
		TTY:     spec.TTY, Stdin: spec.Stdin, Stdout: spec.Stdout, Stderr: spec.Stderr, OnEnd: c.killedForMemory,
	})
}

// noteKilled notes that a process is about to be killed for its memory, or, if
// whole, the container.
func (c *container) noteKilled(pid int, whole bool) {
	c.pod.mu.Lock()
	defer c.pod.mu.Unlock()
	if c.killed != nil {
		c.killed[pid] = true
	}
	c.ending = c.ending || whole
	c.pod.overLimit = true
}

// killedForMemory reports whether a process ended because it was killed for its
// memory, or for a shell a child of it.
func (c *container) killedForMemory(exit wire.Exit) bool {
	c.pod.mu.Lock()
	defer c.pod.mu.Unlock()
	if exit.Signal == 0 {
		return exit.Code == 128+int(unix.SIGKILL) && len(c.killed) > 0
	}
	return exit.Signal == int(unix.SIGKILL) && (c.killed[exit.PID] || c.ending)
}

// end kills all that runs in the container: its agent kills the rest when the
// first process ends. It does not wait.
func (c *container) end() {
	c.pod.mu.Lock()
	defer c.pod.mu.Unlock()
	if process := c.process; process != nil {
		go func() { _ = process.Signal(unix.SIGKILL) }() // it may have ended
	}
}

// limits are the container's.
func (c *container) limits() limits {
	c.pod.mu.Lock()
	defer c.pod.mu.Unlock()
	return limits{c.memory, c.disk}
}

// remove ends the container and removes its folder. A run that is about to
// start fails by that.
func (c *container) remove() error {
	err := c.closeAgent()
	c.changing.Lock()
	defer c.changing.Unlock()
	err = errors.Join(err, c.closeAgent())
	c.pod.runtime.users.release(c)
	return errors.Join(err, os.RemoveAll(c.folder))
}
