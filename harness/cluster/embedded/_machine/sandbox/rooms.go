package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"rolecall.build/machine/sandbox/internal/wire"
)

// rooms is a pod on a machine where no namespaces can be made (MappingChroot): each of its containers has a room, a chroot with an agent and
// with users of its own. nil: the pod has namespaces.
type rooms struct {
	pod *Pod

	mu      sync.Mutex
	volumes map[string]Volume
	all     map[string]*room // by container
	closed  bool
}

// room is a container's. It outlives its runs, for the sake of their empty volumes.
type room struct {
	container string
	user      int
	folder    string
	agent     *Pod // of the newest run
	process   *Process
	mounts    []Mount
	memory    int64 // limits in bytes
	disk      int64
	sockets   atomic.Int64 // that its processes have
}

// idsOfRoom are the first process's user, that of what is executed, and one who is nobody.
const idsOfRoom = 3

// startRooms makes a pod without namespaces. It holds nothing yet.
func (r *Runtime) startRooms(spec PodSpec) *Pod {
	p := &Pod{runtime: r, spec: spec, gone: make(chan struct{})}
	p.rooms = &rooms{pod: p, volumes: map[string]Volume{}, all: map[string]*room{}}
	return p
}

// setVolume notes a volume and brings the copies in rooms up to date.
func (p *rooms) setVolume(name string, v Volume) error {
	p.mu.Lock()
	p.volumes[name] = v
	var agents []*Pod
	for _, room := range p.all {
		if room.agent != nil && !room.agent.ended() && room.mounted(name) {
			agents = append(agents, room.agent)
		}
	}
	p.mu.Unlock()
	var failed error
	for _, agent := range agents {
		if err := agent.SetVolume(name, v); !errors.Is(err, ErrGone) {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

func (r *room) mounted(volume string) bool {
	return slices.ContainsFunc(r.mounts, func(m Mount) bool { return m.Volume == volume })
}

func (p *rooms) readVolume(name, file string, limit int64) ([]byte, error) {
	p.mu.Lock()
	var agent *Pod
	for _, room := range p.all {
		if room.agent != nil && room.mounted(name) {
			agent = room.agent
		}
	}
	p.mu.Unlock()
	if agent == nil {
		return nil, fmt.Errorf("reading the volume %s: no container has it", name)
	}
	return agent.ReadVolume(name, file, limit)
}

// run starts a container in its room, which is emptied before.
func (p *rooms) run(ctx context.Context, spec ContainerSpec) (*Process, error) {
	room, err := p.enter(spec)
	if err != nil {
		return nil, err
	}
	agent, err := p.pod.runtime.startRoom(ctx, room, p.pod.spec)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	room.agent = agent
	contents := map[string]Volume{}
	for _, mount := range spec.Mounts {
		if v, known := p.volumes[mount.Volume]; known {
			contents[mount.Volume] = v
		}
	}
	p.mu.Unlock()
	for name, content := range contents {
		if err := agent.SetVolume(name, content); err != nil {
			return nil, err
		}
	}
	spec.Capabilities = nil // it has none, so its filter must not know any
	process, err := agent.Run(ctx, spec)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	room.process = process
	p.mu.Unlock()
	return process, nil
}

// enter finds or makes the container's room and makes it ready for another run.
func (p *rooms) enter(spec ContainerSpec) (*room, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrGone
	}
	if err := p.shared(spec); err != nil {
		return nil, err
	}
	it := p.all[spec.Name]
	if it == nil {
		user := p.pod.runtime.takeRoom(p.pod)
		it = &room{container: spec.Name, user: user, folder: filepath.Join(p.pod.runtime.Dir, strconv.Itoa(user))}
		p.all[spec.Name] = it
	}
	if it.process != nil {
		select {
		case <-it.process.Done():
		default:
			return nil, errors.New("it runs already")
		}
	}
	if it.agent != nil {
		if err := it.agent.Close(); err != nil {
			return nil, err
		}
	}
	it.sockets.Store(0)
	it.mounts, it.memory, it.disk = spec.Mounts, spec.Memory, p.disk(spec)
	return it, it.clean()
}

// clean removes what the last run left, its empty volumes apart.
func (r *room) clean() error {
	if err := os.RemoveAll(filepath.Join(r.folder, "root")); err != nil {
		return fmt.Errorf("emptying the room: %w", err)
	}
	for folder, mode := range map[string]os.FileMode{r.folder: 0o711, filepath.Join(r.folder, "volumes"): 0o700, filepath.Join(r.folder, "root"): 0o755} {
		if err := os.MkdirAll(folder, mode); err != nil {
			return fmt.Errorf("making a room: %w", err)
		}
	}
	return nil
}

// shared refuses an empty volume that two mounts would have to share.
func (p *rooms) shared(spec ContainerSpec) error {
	type use struct{ mounts, writable int }
	uses := map[string]use{}
	count := func(mounts []Mount) {
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
	for name, room := range p.all {
		if name != spec.Name {
			count(room.mounts)
		}
	}
	for _, m := range spec.Mounts {
		if u := uses[m.Volume]; p.volumes[m.Volume].Files == nil && u.mounts > 1 && u.writable > 0 {
			return &StartError{Code: 128, Message: fmt.Sprintf(
				"the emptyDir volume %s is mounted more than once: without namespaces, the containers of a pod cannot share a folder; a cluster made with CLUSTER=kind can", m.Volume)}
		}
	}
	return nil
}

// disk is what a container may write, to its root and to its empty volumes.
func (p *rooms) disk(spec ContainerSpec) int64 {
	limit := spec.Disk
	if limit <= 0 {
		limit = defaultDisk
	}
	for _, m := range spec.Mounts {
		v := p.volumes[m.Volume]
		if v.Files != nil || m.ReadOnly {
			continue
		}
		limit += max(v.SizeLimit, 0)
		if v.SizeLimit <= 0 {
			limit += defaultVolume
		}
	}
	if whole := p.pod.spec.Disk; whole > 0 {
		limit = min(limit, whole)
	}
	return limit
}

// As the agent has them where volumes are file systems.
const (
	defaultDisk   = 128 << 20
	defaultVolume = 64 << 20
)

func (p *rooms) exec(ctx context.Context, container string, spec ExecSpec) (*Process, error) {
	p.mu.Lock()
	room := p.all[container]
	var agent *Pod
	if room != nil {
		agent = room.agent
	}
	p.mu.Unlock()
	if agent == nil {
		return nil, fmt.Errorf("executing in the container %s: container not running", container)
	}
	return agent.Exec(ctx, container, spec)
}

// close ends all rooms and removes them.
func (p *rooms) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	failures := make([]error, 0, len(p.all))
	var ends sync.WaitGroup
	for _, room := range p.all {
		failures = append(failures, nil)
		failed := &failures[len(failures)-1]
		ends.Go(func() {
			if room.agent != nil {
				*failed = room.agent.Close()
			}
			p.pod.runtime.leaveRoom(room.user)
			*failed = errors.Join(*failed, os.RemoveAll(room.folder))
		})
	}
	ends.Wait()
	close(p.pod.gone)
	return errors.Join(failures...)
}

// startRoom starts the agent of a room.
func (r *Runtime) startRoom(ctx context.Context, room *room, spec PodSpec) (*Pod, error) {
	p := emptyPod(r, PodSpec{Name: spec.Name})
	p.orderly = true
	if err := r.startAgent(p, MappingChroot); err != nil {
		return nil, err
	}
	first := wire.Chroot{Folder: room.folder, User: room.user, Disk: room.disk, PIDs: spec.PIDs}
	if err := p.begin(ctx, wire.Request{Chroot: &first}); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}
