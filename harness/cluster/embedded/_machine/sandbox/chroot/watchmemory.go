package chroot

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// memoryInterval is how often the containers' memory is measured.
const memoryInterval = 50 * time.Millisecond

// Sockets of a container that are not counted as memory, and what each of the
// others may hold in its buffers, in bytes: their real use shows nowhere.
const (
	freeSockets  = 64
	socketMemory = 208 << 10
)

// patience is how long after a process was killed for its memory another makes
// it the whole container's end.
const patience = time.Second

// memoryWatch kills the processes of a container, or of a pod, that use most,
// until the rest is within the limit; the whole container if others come in
// their place.
type memoryWatch struct {
	users  *users
	killed map[int]time.Time // by PID: a process that is killed is not gone yet
	last   map[*container]time.Time
}

// watchMemory keeps the containers of all pods within their limits, and kills
// what runs as a user of containers that are no more, until stop is closed.
func watchMemory(users *users, stop <-chan struct{}) {
	w := &memoryWatch{users: users, killed: map[int]time.Time{}, last: map[*container]time.Time{}}
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

// usage is a process's use of memory.
type usage struct {
	process
	container *container
}

func (w *memoryWatch) measure(now time.Time) {
	maps.DeleteFunc(w.killed, func(_ int, at time.Time) bool { return now.Sub(at) > patience })
	maps.DeleteFunc(w.last, func(_ *container, at time.Time) bool { return now.Sub(at) > patience })
	processes, buffers := map[*Pod][]usage{}, map[*Pod]int64{}
	for user, found := range w.users.processes() {
		c := w.users.owner(user)
		if c == nil {
			for _, p := range found {
				w.users.kill(p) // its agent was killed, and it is the only trace of that
			}
			continue
		}
		var own []usage
		for _, p := range found {
			if w.killed[p.pid].IsZero() {
				own = append(own, usage{p, c})
			}
		}
		ofSockets := max(c.sockets.Load()-freeSockets, 0) * socketMemory
		processes[c.pod], buffers[c.pod] = append(processes[c.pod], own...), buffers[c.pod]+ofSockets
		w.enforce(now, own, ofSockets, c.limits().memory)
	}
	for p, all := range processes {
		w.enforce(now, all, buffers[p], p.spec.Memory)
		limitThreads(all, p.spec.PIDs)
	}
}

// limitThreads ends the container that has most where a pod has more than it
// may. The kernel counts them for each of its users only.
func limitThreads(processes []usage, limit int64) {
	var all int64
	of := map[*container]int64{}
	for _, p := range processes {
		all += p.threads
		of[p.container] += p.threads
	}
	if limit > 0 && all > limit {
		slices.MaxFunc(slices.Collect(maps.Keys(of)), func(a, b *container) int { return cmp.Compare(of[a], of[b]) }).end()
	}
}

// enforce kills if the processes and their sockets use more than the limit.
// Pages that processes share count for each.
func (w *memoryWatch) enforce(now time.Time, processes []usage, buffers, limit int64) {
	sum := buffers
	for _, p := range processes {
		sum += p.bytes
	}
	if limit <= 0 || sum <= limit {
		return
	}
	slices.SortFunc(processes, func(a, b usage) int { return cmp.Compare(b.bytes, a.bytes) })
	for _, p := range processes {
		if sum <= limit {
			return
		}
		sum -= p.bytes
		_, again := w.last[p.container]
		w.killed[p.pid], w.last[p.container] = now, now
		whole := again || buffers > limit
		p.container.noteKilled(p.pid, whole)
		if whole {
			p.container.end()
		}
		w.users.kill(p.process)
	}
}
