package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"rolecall.build/machine/sandbox/internal/wire"

	"golang.org/x/sys/unix"
)

// container is one that runs.
type container struct {
	spec wire.Run
	pid  int
	// oneID says that the container's user namespace maps no more than its user and group: the pod's where the pod has one id itself and
	// the container runs as root, a further one of the container's own (nested) otherwise.
	oneID, nested bool
	ended         bool
	overLimit     bool     // the watch killed one of its processes
	null          int      // its /dev/null, while it is made; 0: not opened yet
	changes       *os.File // the file system in memory that holds what it writes outside volumes; nil in a room
}

// maxContainers is how many user namespaces a pod may have while one for a container is made.
const maxContainers = 1 << 10

// newContainer decides the user namespace and completes the environment.
func (p *pod) newContainer(spec wire.Run) *container {
	spec.Env = environment(spec)
	if spec.Disk <= 0 {
		spec.Disk = defaultDisk
	}
	beyond := spec.User > highestID || spec.Group > highestID || spec.User < 0 || spec.Group < 0
	nested := beyond || p.boot.OneID && (spec.User != 0 || spec.Group != 0)
	return &container{spec: spec, nested: nested, oneID: nested || p.boot.OneID}
}

// onOwnThread runs f on a thread that f may take to other namespaces: it ends with f. f returns a descriptor to reply with, -1 if none.
func (p *pod) onOwnThread(f func() (int, error)) ([]int, error) {
	type outcome struct {
		file int
		err  error
	}
	done := make(chan outcome)
	go func() {
		runtime.LockOSThread() // and no unlock: the thread ends with the goroutine
		file, err := f()
		done <- outcome{file, err}
	}()
	result := <-done
	return one(result.file, result.err)
}

// run starts a container: this thread makes its root, in a mount namespace of its own, and the container's process is forked there.
func (p *pod) run(id uint64, spec wire.Run, files []int) (terminal int, err error) {
	c := p.newContainer(spec)
	p.mu.Lock()
	img, known := p.images[spec.Image]
	_, running := p.containers[spec.Name]
	p.mu.Unlock()
	if !known {
		return -1, fmt.Errorf("running %s: the image %s was not brought", spec.Name, spec.Image)
	}
	if running {
		return -1, fmt.Errorf("running %s: it runs already", spec.Name)
	}
	p.forking.RLock()
	err = p.makeRoot(c, img)
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
		return -1, err
	}
	t, files, err := p.standard(c, spec.TTY, files)
	if err != nil {
		return -1, err
	}
	defer t.close()

	child := &program{}
	child.joinLimits(files[3:])
	if spec.UnshareCgroups {
		child.add("making a cgroup namespace", lenient, unix.SYS_UNSHARE, unix.CLONE_NEWCGROUP)
	}
	child.mountProc(c.null)
	if c.nested {
		child.mapUser(spec.User, spec.Group)
	}
	child.useStandard(files, spec.TTY)
	if err := child.becomeContainer(c, p.boot.PIDs); err != nil {
		return -1, err
	}
	if err := child.execute(spec.Args, c.spec.Env, spec.Dir); err != nil {
		return -1, err
	}
	if err := p.launch(child, unix.CLONE_NEWPID, &process{id: id, container: c}); err != nil {
		return -1, spoken(err)
	}
	return t.take(), nil
}

// launch forks the program, registers the process and waits until it executes its command.
func (p *pod) launch(child *program, flags uintptr, started *process) (err error) {
	p.forking.Lock()
	defer p.forking.Unlock()
	if started.container != nil && started.container.nested {
		if err := p.limitUserNamespaces(maxContainers); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, p.limitUserNamespaces(0)) }()
	}
	p.mu.Lock()
	fork := child.fork
	if p.room != nil {
		fork = func(uintptr) (int, int, error) { return p.room.fork(child) }
	}
	pid, outcome, err := fork(flags)
	if err == nil {
		started.pid = pid
		p.processes[pid] = started
		if started.container != nil {
			started.container.pid = pid
			p.containers[started.container.spec.Name] = started.container
		}
	}
	p.mu.Unlock()
	if err != nil {
		return err
	}
	err = child.result(pid, outcome)
	if err != nil && started.container != nil {
		p.mu.Lock()
		p.remove(started.container)
		p.mu.Unlock()
	}
	return err
}

// remove frees the name of a container that ended or did not start. The lock is held.
func (p *pod) remove(c *container) {
	c.ended = true
	if c.changes != nil {
		c.changes.Close() // which would keep it in memory
	}
	if p.containers[c.spec.Name] == c {
		delete(p.containers, c.spec.Name)
	}
}

// mountProc mounts /proc for the PID namespace the child is the first of, with what engines hide and protect there. The agent's own is mounted
// there until then, because in a user namespace the kernel allows a /proc only where there is another one.
// What hides a file is null, a descriptor of /dev/null: by its path it could be something that a volume has there.
func (p *program) mountProc(null int) {
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	const attributes = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC
	p.add("mounting /proc", store, unix.SYS_FSOPEN, p.text("proc"), unix.FSOPEN_CLOEXEC)
	p.add("mounting /proc", use, unix.SYS_FSCONFIG, 0, unix.FSCONFIG_CMD_CREATE)
	p.add("mounting /proc", use|store, unix.SYS_FSMOUNT, 0, unix.FSMOUNT_CLOEXEC, attributes)
	p.add("mounting /proc", 0, unix.SYS_UMOUNT2, p.text("/proc"), unix.MNT_DETACH)
	p.add("mounting /proc", use, unix.SYS_MOVE_MOUNT, 0, p.text(""), atCurrent, p.text("/proc"), unix.MOVE_MOUNT_F_EMPTY_PATH)
	for _, masked := range []string{
		"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug",
		"/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware",
	} {
		// It is a file or a folder: one of the two does not apply.
		p.mount("masking "+masked, optional, fmt.Sprintf("/proc/self/fd/%d", null), masked, "", unix.MS_BIND, "")
		p.mount("masking "+masked, optional, "tmpfs", masked, "tmpfs", unix.MS_RDONLY|flags, "size=0,nr_inodes=2")
	}
	for _, protected := range []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"} {
		p.mount("protecting "+protected, optional, protected, protected, "", unix.MS_BIND|unix.MS_REC, "")
		p.mount("protecting "+protected, optional, "", protected, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY|flags, "")
	}
}

// mapUser makes a user namespace in which the pod's root has the container's ids.
func (p *program) mapUser(user, group int64) {
	p.add("making a user namespace", 0, unix.SYS_UNSHARE, unix.CLONE_NEWUSER)
	p.write("mapping the group", "/proc/self/setgroups", "deny")
	p.write("mapping the group", "/proc/self/gid_map", fmt.Sprintf("%d 0 1", group))
	p.write("mapping the user", "/proc/self/uid_map", fmt.Sprintf("%d 0 1", user))
}

// environment adds what engines add.
func environment(spec wire.Run) []string {
	env := spec.Env
	defaults := []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/"}
	if spec.TTY {
		defaults = append(defaults, "TERM=xterm")
	}
	for _, entry := range defaults {
		name, _, _ := strings.Cut(entry, "=")
		if !has(env, name) {
			env = append(env, entry)
		}
	}
	return env
}

func has(env []string, name string) bool {
	for _, entry := range env {
		if strings.HasPrefix(entry, name+"=") {
			return true
		}
	}
	return false
}

// errNotRunning is what runc says.
var errNotRunning = errors.New("container not running")
