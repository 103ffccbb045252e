package main

import (
	"fmt"
	"os"
	"path"
	"slices"
	"sync"

	"rolecall.build/machine/sandbox/internal/wire"

	"golang.org/x/sys/unix"
)

// room is where one container lives if no namespaces can be made: a chroot, which the agent itself has entered, so that no link of an image
// and no path of a spec leads out of it. What lies outside was opened before.
type room struct {
	wire.Room
	terminals int // the host's /dev/pts, -1 if it has none
	volumes   int // the folder that keeps the empty volumes while no container has them
	landlock  int // the rules for processes, -1 if the kernel knows none
	forks     chan func()

	mu       sync.Mutex
	contents map[string]wire.Volume
	placed   []placed // the container's mounts
}

// moveIn makes this agent that of a room.
func (p *pod) moveIn(boot wire.Boot) (err error) {
	r := &room{Room: *boot.Room, terminals: -1, forks: make(chan func()), contents: map[string]wire.Volume{}}
	const folder = unix.O_DIRECTORY | unix.O_CLOEXEC
	if file, err := unix.Open("/dev/pts", folder, 0); err == nil {
		r.terminals = file
	}
	if r.volumes, err = unix.Open(path.Join(r.Folder, "volumes"), folder, 0); err != nil {
		return fmt.Errorf("opening the room's volumes: %w", err)
	}
	// Orphans come to the agent, which waits for them.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("becoming the parent of orphans: %w", err)
	}
	if err := os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0); err != nil {
		return fmt.Errorf("raising oom_score_adj: %w", err)
	}
	if err := unix.Chroot(path.Join(r.Folder, "root")); err != nil {
		return fmt.Errorf("entering the room: %w", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return fmt.Errorf("entering the room: %w", err)
	}
	if r.landlock, err = landlockRules(); err != nil {
		return err
	}
	go serveForks(r.forks)
	p.boot, p.room = boot, r
	return makeDevices()
}

// makeDevices makes /dev with what a container needs of it, and proves that device nodes work here.
func makeDevices() error {
	if err := os.RemoveAll("/dev"); err != nil {
		return fmt.Errorf("making /dev: %w", err)
	}
	for folder, mode := range map[string]uint32{"/dev": 0o755, "/dev/shm": 0o777} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return fmt.Errorf("making %s: %w", folder, err)
		}
		if err := unix.Chmod(folder, mode); err != nil {
			return fmt.Errorf("making %s: %w", folder, err)
		}
	}
	for name, minor := range map[string]uint32{"null": 3, "zero": 5, "full": 7, "random": 8, "urandom": 9} {
		if err := unix.Mknod("/dev/"+name, unix.S_IFCHR|0o666, int(unix.Mkdev(1, minor))); err != nil {
			return fmt.Errorf("making /dev/%s: %w", name, err)
		}
	}
	if err := unix.Mknod("/dev/tty", unix.S_IFCHR|0o666, int(unix.Mkdev(5, 0))); err != nil {
		return fmt.Errorf("making /dev/tty: %w", err)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return fmt.Errorf("using a device: %w", err)
	}
	return null.Close()
}

// runInRoom starts the room's container.
func (p *pod) runInRoom(id uint64, spec wire.Run, files []int) (int, error) {
	if spec.Disk <= 0 {
		spec.Disk = defaultDisk
	}
	c := &container{spec: spec, oneID: true}
	p.mu.Lock()
	img, known := p.images[spec.Image]
	p.mu.Unlock()
	if !known {
		return -1, fmt.Errorf("running %s: the image %s was not brought", spec.Name, spec.Image)
	}
	if err := p.furnish(c, img); err != nil {
		return -1, err
	}
	return p.launchInRoom(&process{id: id, container: c}, c, p.room.User, spec.Args, c.spec.Env, spec.TTY, files)
}

// execInRoom starts a process beside the container's first, as another user: what it kills is its like.
func (p *pod) execInRoom(id uint64, spec wire.Exec, files []int) (int, error) {
	p.mu.Lock()
	c := p.containers[spec.Container]
	p.mu.Unlock()
	if c == nil {
		return -1, errNotRunning
	}
	env := c.spec.Env
	if spec.TTY && !has(env, "TERM") {
		env = append(slices.Clone(env), "TERM=xterm")
	}
	return p.launchInRoom(&process{id: id}, c, p.room.User+1, spec.Args, env, spec.TTY, files)
}

func (p *pod) launchInRoom(started *process, c *container, user int, args, env []string, tty bool, files []int) (int, error) {
	t, files, err := p.standard(c, tty, files)
	if err != nil {
		return -1, err
	}
	defer t.close()
	if t.slave >= 0 {
		if err := unix.Fchown(t.slave, user, p.room.User); err != nil {
			return -1, fmt.Errorf("giving the terminal away: %w", err)
		}
	}
	child := &program{}
	child.useStandard(files, tty)
	child.becomeTenant(p.room, user, p.boot.PIDs, c.spec.Seccomp)
	if err := child.execute(args, env, c.spec.Dir); err != nil {
		return -1, err
	}
	if err := p.launch(child, 0, started); err != nil {
		return -1, spoken(err)
	}
	return t.take(), nil
}

// furnish puts everything into the room.
func (p *pod) furnish(c *container, img image) error {
	owner := &tenant{room: p.room.Room, user: int(c.spec.User), group: int(c.spec.Group), readOnly: c.spec.ReadOnlyRoot}
	if err := img.extract(false, owner); err != nil {
		return fmt.Errorf("extracting the image %s: %w", c.spec.Image, err)
	}
	if err := makeDevices(); err != nil { // again: the image may have other things there
		return err
	}
	for _, folder := range []string{"/proc", "/sys"} {
		if err := os.MkdirAll(folder, 0o555); err != nil {
			return fmt.Errorf("making %s: %w", folder, err)
		}
	}
	if err := c.files(); err != nil {
		return err
	}
	for name := range c.spec.Files {
		if err := owner.own(path.Clean("/"+name), 0o644); err != nil {
			return err
		}
	}
	if err := owner.own("/", 0o755); err != nil {
		return err
	}
	if err := p.placeVolumes(c.spec.Mounts); err != nil {
		return err
	}
	if err := c.directory(); err != nil {
		return err
	}
	c.spec.Env = environment(c.spec)
	return nil
}

// vacate kills all that runs in the room and puts its empty volumes aside, for the container's next run.
func (p *pod) vacate() {
	if err := p.room.clear(); err != nil {
		fmt.Fprintln(os.Stderr, "sandbox agent:", err)
	}
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	for _, there := range p.room.placed {
		if there.empty {
			// What a container has made of the place is its own affair: the next one finds an empty volume then.
			_ = unix.Renameat(unix.AT_FDCWD, there.target, p.room.volumes, there.Volume)
		}
	}
}
