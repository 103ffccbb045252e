package sandbox

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// How often the rooms' memory and files are measured.
const (
	memoryInterval = 50 * time.Millisecond
	filesInterval  = 200 * time.Millisecond
)

// Sockets of a room that are not counted as memory, and what each of the others may hold in its buffers, in bytes: their real use shows nowhere.
const (
	freeSockets  = 64
	socketMemory = 208 << 10
)

// patience is how long after a process was killed for its memory another makes it the whole container's end.
const patience = time.Second

// watchRooms keeps the rooms of all pods within their limits, and kills what runs as a user of rooms that are no more, until stop is closed.
func (r *Runtime) watchRooms(stop <-chan struct{}) {
	go watchFiles(r, stop)
	w := &memoryWatch{runtime: r, killed: map[int]time.Time{}, last: map[*room]time.Time{}}
	ticker := time.NewTicker(memoryInterval)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case now := <-ticker.C:
			w.measure(now)
		}
	}
}

// resident is a process's memory and its threads.
type resident struct {
	pid, user      int
	bytes, threads int64
	room           *room
}

// memoryWatch kills the processes of a container, or of a pod, that use most, until the rest is within the limit; the whole container if others come
// in their place.
type memoryWatch struct {
	runtime *Runtime
	killed  map[int]time.Time // by PID: a process that is killed is not gone yet
	last    map[*room]time.Time
}

func (w *memoryWatch) measure(now time.Time) {
	maps.DeleteFunc(w.killed, func(_ int, at time.Time) bool { return now.Sub(at) > patience })
	maps.DeleteFunc(w.last, func(_ *room, at time.Time) bool { return now.Sub(at) > patience })
	type use struct {
		processes []resident
		buffers   int64
	}
	pods := map[*Pod]use{}
	for user, processes := range w.runtime.residents() {
		p, room := w.runtime.roomOf(user)
		if p == nil {
			for _, process := range processes {
				w.runtime.kill(process) // its agent was killed, and it is the only trace of that
			}
			continue
		}
		processes = slices.DeleteFunc(processes, func(process resident) bool { return !w.killed[process.pid].IsZero() })
		for i := range processes {
			processes[i].room = room
		}
		buffers := max(room.sockets.Load()-freeSockets, 0) * socketMemory
		all := pods[p]
		pods[p] = use{append(all.processes, processes...), all.buffers + buffers}
		w.enforce(now, p, processes, buffers, room.memory)
	}
	for p, all := range pods {
		w.enforce(now, p, all.processes, all.buffers, p.spec.Memory)
		limitThreads(p, all.processes)
	}
}

// limitThreads ends the container that has most where a pod has more than it may. The kernel counts them for each of its users only.
func limitThreads(p *Pod, processes []resident) {
	var all int64
	of := map[*room]int64{}
	for _, process := range processes {
		all += process.threads
		of[process.room] += process.threads
	}
	if p.spec.PIDs > 0 && all > p.spec.PIDs {
		p.rooms.end(slices.MaxFunc(slices.Collect(maps.Keys(of)), func(a, b *room) int { return cmp.Compare(of[a], of[b]) }))
	}
}

// enforce kills if the processes and their sockets use more than the limit. Pages that processes share count for each.
func (w *memoryWatch) enforce(now time.Time, p *Pod, processes []resident, buffers, limit int64) {
	sum := buffers
	for _, process := range processes {
		sum += process.bytes
	}
	if limit <= 0 || sum <= limit {
		return
	}
	slices.SortFunc(processes, func(a, b resident) int { return int(b.bytes - a.bytes) })
	for _, process := range processes {
		if sum <= limit {
			return
		}
		sum -= process.bytes
		_, again := w.last[process.room]
		w.killed[process.pid], w.last[process.room] = now, now
		p.rooms.overLimit(process.room)
		if again || buffers > limit {
			p.rooms.end(process.room)
		}
		w.runtime.kill(process)
	}
}

// overLimit has the room's container reported as one that was killed for its memory.
func (p *rooms) overLimit(room *room) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if room.agent != nil {
		room.agent.overLimit.Store(true)
	}
}

// end kills all that runs in a room: its agent kills the rest when the first process ends. It does not wait.
func (p *rooms) end(room *room) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if process := room.process; process != nil {
		go func() { _ = process.Signal(unix.SIGKILL) }() // it may have ended
	}
}

// kill kills a process by a handle of it, unless its PID is another's by now.
func (r *Runtime) kill(process resident) {
	handle, err := os.FindProcess(process.pid)
	if err != nil {
		return
	}
	defer func() { _ = handle.Release() }()
	if statusOf(process.pid).user == process.user {
		_ = handle.Kill() // it may have ended
	}
}

// roomOf finds a room by the first of its users.
func (r *Runtime) roomOf(user int) (*Pod, *room) {
	p := r.ownerOf(user)
	if p == nil {
		return nil, nil
	}
	p.rooms.mu.Lock()
	defer p.rooms.mu.Unlock()
	for _, room := range p.rooms.all {
		if room.user == user {
			return p, room
		}
	}
	return nil, nil
}

// residents are the processes of all rooms, by the first of their users.
func (r *Runtime) residents() map[int][]resident {
	first := r.hostIDs()
	used := map[int][]resident{}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		process := statusOf(pid)
		if user := process.user; user >= first && user < first+rangeSize {
			room := user - (user-first)%idsOfRoom
			used[room] = append(used[room], process)
		}
	}
	return used
}

// statusOf reads a process's real user, its threads and its memory, with what the kernel needs to know where that is (proc_pid_status(5)).
func statusOf(pid int) resident {
	process := resident{pid: pid, user: -1}
	for line := range strings.Lines(setting(fmt.Sprintf("/proc/%d/status", pid))) {
		name, rest, _ := strings.Cut(line, ":")
		values := strings.Fields(rest)
		if len(values) == 0 {
			continue
		}
		switch name {
		case "Uid":
			process.user, _ = strconv.Atoi(values[0])
		case "Threads":
			process.threads, _ = strconv.ParseInt(values[0], 10, 64)
		case "VmRSS", "VmPTE":
			kibibytes, _ := strconv.ParseInt(values[0], 10, 64)
			process.bytes += kibibytes << 10
		}
	}
	return process
}
