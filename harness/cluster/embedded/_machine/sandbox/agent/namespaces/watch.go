package namespaces

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"time"

	"rolecall.build/machine/sandbox/agent/internal/children"
	"rolecall.build/machine/sandbox/internal/wire"

	"golang.org/x/sys/unix"
)

const (
	// watchInterval is how often the containers' memory is measured where no
	// cgroup limits it.
	watchInterval = 50 * time.Millisecond
	// patience is how long after a kill another makes it the whole container's
	// end.
	patience = time.Second
	// socketMemory is what a socket's buffers may hold, in bytes, and freeSockets
	// how many are not counted: their real use shows nowhere.
	socketMemory = 208 << 10
	freeSockets  = 64
)

// watch keeps a pod's containers within their memory where no cgroup does. It
// kills the processes that use most, until the rest is within the limit; the
// whole container if that is not enough, because files use so much or because
// others have come in their place.
type watch struct {
	pod    *pod
	spaces map[string]*container
	killed map[int]time.Time // by PID: a process that is killed is not gone yet
	last   map[*container]time.Time
}

// usage is a process's use of memory, in bytes, and its threads.
type usage struct {
	pid            int
	bytes, threads int64
	container      *container
}

func (p *pod) watch() {
	w := &watch{pod: p, killed: map[int]time.Time{}, last: map[*container]time.Time{}}
	for now := range time.Tick(watchInterval) {
		w.measure(now)
	}
}

func (w *watch) measure(now time.Time) {
	maps.DeleteFunc(w.killed, func(_ int, at time.Time) bool { return now.Sub(at) > patience })
	maps.DeleteFunc(w.last, func(_ *container, at time.Time) bool { return now.Sub(at) > patience })
	spaces, files := w.containers()
	if len(spaces) == 0 {
		return
	}
	w.spaces = spaces
	of := map[*container][]usage{}
	for _, used := range w.processes() {
		of[used.container] = append(of[used.container], used)
	}
	whole, all := w.pod.sharedFiles()+sockets(), []usage{}
	for c, processes := range of {
		all = append(all, processes...)
		whole += files[c]
		w.enforce(now, processes, files[c], c.spec.Memory)
	}
	w.enforce(now, all, whole, w.pod.spec.Memory)
	w.limitThreads(now, of)
}

// limitThreads ends the container that has most where a pod has more than it
// may. The kernel counts them for each user of each container only.
func (w *watch) limitThreads(now time.Time, of map[*container][]usage) {
	var all, most int64
	var largest *container
	for c, processes := range of {
		var count int64
		for _, process := range processes {
			count += process.threads
		}
		all += count
		if count > most {
			most, largest = count, c
		}
	}
	if limit := w.pod.spec.PIDs; limit > 0 && all > limit {
		w.kill(now, of[largest][0], true)
	}
}

// containers are those that run, by their PID namespaces, and what each has in
// files outside volumes.
func (w *watch) containers() (map[string]*container, map[*container]int64) {
	w.pod.children.Lock()
	defer w.pod.children.Unlock()
	spaces, files := map[string]*container{}, map[*container]int64{}
	for _, c := range w.pod.containers {
		space, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", c.pid))
		if err != nil {
			continue
		}
		spaces[space] = c
		files[c] = used(c.changes)
	}
	return spaces, files
}

// sharedFiles is what the pod has in volumes and /dev/shm.
func (p *pod) sharedFiles() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	bytes := used(p.shm)
	for _, volume := range p.volumes {
		if folder, err := volume.Open("."); err == nil {
			bytes += used(folder)
			folder.Close()
		}
	}
	return bytes
}

// used is what a file system in memory holds.
func used(folder *os.File) int64 {
	var about unix.Statfs_t
	if folder == nil || unix.Fstatfs(int(folder.Fd()), &about) != nil {
		return 0
	}
	return int64(about.Blocks-about.Bfree) * about.Bsize
}

// sockets are what the pod's may hold (proc_pid_net(5), sockstat).
func sockets() int64 {
	data, _ := os.ReadFile("/proc/net/sockstat")
	var count int64
	_, _ = fmt.Sscanf(string(data), "sockets: used %d", &count)
	return max(count-freeSockets, 0) * socketMemory
}

// processes are those of the containers, also in PID namespaces that they made
// below their own.
func (w *watch) processes() (all []usage) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		if _, killed := w.killed[pid]; killed {
			continue
		}
		if c := containerOf(pid, w.spaces); c != nil {
			status := status(pid)
			all = append(all, usage{pid, status["VmRSS:"] + status["VmPTE:"], status["Threads:"], c})
		}
	}
	return all
}

// nsGetParent is NS_GET_PARENT (ioctl_nsfs(2)).
const nsGetParent = 0xb702

// containerOf looks a process's PID namespace up, and those above it.
func containerOf(pid int, spaces map[string]*container) *container {
	space, err := unix.Open(fmt.Sprintf("/proc/%d/ns/pid", pid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	for err == nil {
		defer unix.Close(space)
		name, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", space))
		if c := spaces[name]; c != nil {
			return c
		}
		space, err = unix.IoctlRetInt(space, nsGetParent)
	}
	return nil
}

// enforce kills if processes and files together use more than the limit.
// Resident memory counts shared pages once for each process and is quick to
// read; only if it is too much the proportional share, which is slow, decides.
func (w *watch) enforce(now time.Time, processes []usage, files, limit int64) {
	if limit <= 0 || total(processes)+files <= limit {
		return
	}
	for i := range processes {
		processes[i].bytes = proportional(processes[i])
	}
	slices.SortFunc(processes, func(a, b usage) int { return int(b.bytes - a.bytes) })
	rest := total(processes) + files
	for _, process := range processes {
		if rest <= limit {
			return
		}
		rest -= process.bytes
		_, again := w.last[process.container]
		w.kill(now, process, again || files > limit)
	}
}

// kill kills a process, or its whole container.
func (w *watch) kill(now time.Time, process usage, whole bool) {
	c := process.container
	w.killed[process.pid], w.last[c] = now, now
	w.pod.children.Lock()
	defer w.pod.children.Unlock()
	if whole && !c.ended {
		process.pid = c.pid // with which the kernel ends all others of its PID namespace
	}
	handle, err := unix.PidfdOpen(process.pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(handle)
	if containerOf(process.pid, w.spaces) != c || unix.PidfdSendSignal(handle, unix.SIGKILL, nil, 0) != nil {
		return // it ended meanwhile, and another process may have its PID
	}
	c.overLimit = true
	if started := w.pod.children.ByPID(process.pid); started != nil {
		started.OverLimit = true
	}
}

// killedForMemory reports whether a process ended because it was killed for its
// memory, or, for a shell that is a container's first process, a child of it:
// such a one reports 137 itself.
func (p *pod) killedForMemory(process *children.Process, c *container, exit wire.Exit) bool {
	p.children.Lock()
	defer p.children.Unlock()
	if exit.Signal == 0 {
		return exit.Code == 128+int(unix.SIGKILL) && c.overLimit && c.pid == process.PID
	}
	return exit.Signal == int(unix.SIGKILL) && process.OverLimit
}

func total(processes []usage) int64 {
	var sum int64
	for _, process := range processes {
		sum += process.bytes
	}
	return sum
}

// status is what the kernel says of a process: its memory, VmRSS, what it needs
// to know where that is, VmPTE, and Threads (proc_pid_status(5)).
func status(pid int) map[string]int64 { return numbers(fmt.Sprintf("/proc/%d/status", pid)) }

// proportional counts pages that processes share once for all of them.
func proportional(process usage) int64 {
	return numbers(fmt.Sprintf("/proc/%d/smaps_rollup", process.pid))["Pss:"] + status(process.pid)["VmPTE:"]
}

// numbers are those lines of a file under /proc that hold one; KiB are turned
// into bytes.
func numbers(file string) map[string]int64 {
	data, _ := os.ReadFile(file) // none: the process ended
	all := map[string]int64{}
	for line := range bytes.Lines(data) {
		fields := bytes.Fields(line)
		if len(fields) < 2 {
			continue
		}
		number, err := strconv.ParseInt(string(fields[1]), 10, 64)
		if err != nil {
			continue
		}
		if len(fields) == 3 && string(fields[2]) == "kB" {
			number <<= 10
		}
		all[string(fields[0])] = number
	}
	return all
}
