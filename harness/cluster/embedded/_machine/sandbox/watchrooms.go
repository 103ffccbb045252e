package sandbox

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// How often the rooms' memory and disk use is measured.
const (
	memoryInterval = 50 * time.Millisecond
	diskInterval   = time.Second
)

// watchRooms keeps the rooms of all pods within their limits, and kills what runs as a user of rooms that are no more, until stop is closed.
func (r *Runtime) watchRooms(stop <-chan struct{}) {
	memory, disk := time.NewTicker(memoryInterval), time.NewTicker(diskInterval)
	defer memory.Stop()
	defer disk.Stop()
	grown := growth{folder: r.Dir}
	for {
		select {
		case <-stop:
			return
		case <-memory.C:
			r.watchMemory()
		case <-disk.C:
			if grown.much() {
				r.watchDisk()
			}
		}
	}
}

// resident is one process's memory.
type resident struct {
	pid   int
	bytes int64
}

// watchMemory kills the greediest process of a container, or of a pod, that is over its limit.
func (r *Runtime) watchMemory() {
	used := r.residents()
	pods := map[*Pod][]resident{}
	for user, processes := range used {
		p, room := r.roomOf(user)
		if p == nil {
			for _, process := range processes {
				_ = unix.Kill(process.pid, unix.SIGKILL) // its agent was killed, and it is the only trace of that
			}
			continue
		}
		pods[p] = append(pods[p], processes...)
		p.rooms.enforce(room, processes, room.memory)
	}
	for p, processes := range pods {
		p.rooms.enforce(nil, processes, p.spec.Memory)
	}
}

// enforce kills one process if together they use more than the limit. Pages that they share count for each.
func (p *rooms) enforce(room *room, processes []resident, limit int64) {
	var sum int64
	greediest := resident{}
	for _, process := range processes {
		sum += process.bytes
		if process.bytes > greediest.bytes {
			greediest = process
		}
	}
	if limit <= 0 || sum <= limit {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, each := range p.all {
		if (each == room || room == nil) && each.agent != nil {
			each.agent.overLimit.Store(true)
		}
	}
	_ = unix.Kill(greediest.pid, unix.SIGKILL) // it may have ended
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
		user, bytes := statusOf(pid)
		if user >= first && user < first+rangeSize {
			user -= (user - first) % idsOfRoom
			used[user] = append(used[user], resident{pid, bytes})
		}
	}
	return used
}

// statusOf reads a process's real user and resident memory.
func statusOf(pid int) (user int, bytes int64) {
	user = -1
	for line := range strings.Lines(setting(fmt.Sprintf("/proc/%d/status", pid))) {
		name, rest, _ := strings.Cut(line, ":")
		values := strings.Fields(rest)
		if len(values) == 0 {
			continue
		}
		switch name {
		case "Uid":
			user, _ = strconv.Atoi(values[0])
		case "VmRSS":
			kibibytes, _ := strconv.ParseInt(values[0], 10, 64)
			return user, kibibytes << 10
		}
	}
	return user, 0
}

// growth tells when a folder's file system has filled so much that it is worthwhile to measure what is in the folder.
type growth struct {
	folder string
	used   int64
}

const muchGrowth = 8 << 20

func (g *growth) much() bool {
	var about unix.Statfs_t
	if err := unix.Statfs(g.folder, &about); err != nil {
		return true
	}
	used := int64(about.Blocks-about.Bfree) * about.Bsize
	if used < g.used {
		g.used = used
	}
	if used-g.used < muchGrowth {
		return false
	}
	g.used = used
	return true
}

// watchDisk kills the processes of a container that has written too much.
func (r *Runtime) watchDisk() {
	r.mu.Lock()
	users := make([]int, 0, len(r.owners))
	for user := range r.owners {
		users = append(users, user)
	}
	r.mu.Unlock()
	for _, user := range users {
		p, room := r.roomOf(user)
		if room == nil || diskUse(room.folder, user) <= room.disk {
			continue
		}
		p.rooms.mu.Lock()
		process := room.process
		p.rooms.mu.Unlock()
		if process != nil {
			_ = process.Signal(unix.SIGKILL) // and its agent kills the rest
		}
	}
}

// diskUse is what a room's users own, in bytes. Files of the image are not theirs where they cannot write.
func diskUse(folder string, user int) (bytes int64) {
	_ = filepath.WalkDir(folder, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil // it was removed meanwhile
		}
		about, err := entry.Info()
		if err != nil {
			return nil
		}
		if there, ok := about.Sys().(*syscall.Stat_t); ok && int(there.Uid) >= user && int(there.Uid) < user+idsOfRoom {
			bytes += there.Blocks * 512
		}
		return nil
	})
	return bytes
}
