package sandbox

import (
	"time"

	"golang.org/x/sys/unix"
)

// watchFiles ends the containers that have written too much, of a room or of a pod, and notes how many sockets they have. When the file system is
// nearly full it ends all.
func watchFiles(r *Runtime, stop <-chan struct{}) {
	ticker := time.NewTicker(filesInterval)
	defer ticker.Stop()
	grown := growth{folder: r.Dir}
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
		}
		of, full := r.residents(), grown.full()
		deleted := map[int]int64{}
		for user, processes := range of {
			if _, room := r.roomOf(user); room != nil {
				found := filesOf(user, processes)
				room.sockets.Store(int64(len(found.sockets)))
				deleted[user] = found.disk()
			}
		}
		if grown.much() || full {
			r.limitFiles(deleted, full)
		}
	}
}

// limitFiles ends the containers that are over their limits, or all.
func (r *Runtime) limitFiles(deleted map[int]int64, all bool) {
	r.mu.Lock()
	pods := map[*Pod][]int{}
	for user, p := range r.owners {
		pods[p] = append(pods[p], user)
	}
	r.mu.Unlock()
	for p, users := range pods {
		var whole int64
		for _, user := range users {
			_, room := r.roomOf(user)
			if room == nil {
				continue
			}
			used := deleted[user] + diskUse(room.folder, user, room.disk)
			whole += used
			if used > room.disk || all {
				p.rooms.end(room)
			}
		}
		if p.spec.Disk > 0 && whole > p.spec.Disk {
			for _, user := range users {
				if _, room := r.roomOf(user); room != nil {
					p.rooms.end(room)
				}
			}
		}
	}
}

// growth tells when a folder's file system has filled so much that it is worthwhile to measure what is in the folder.
type growth struct {
	folder string
	used   int64
	files  int64
}

const (
	muchGrowth = 8 << 20
	manyFiles  = 1024
)

func (g *growth) much() bool {
	var about unix.Statfs_t
	if err := unix.Statfs(g.folder, &about); err != nil {
		return true
	}
	used, files := int64(about.Blocks-about.Bfree)*about.Bsize, int64(about.Files-about.Ffree)
	g.used, g.files = min(g.used, used), min(g.files, files)
	if used-g.used < muchGrowth && files-g.files < manyFiles {
		return false
	}
	g.used, g.files = used, files
	return true
}

// leastFree is what the rooms leave of a file system, in bytes, whatever it is that fills it.
const leastFree = 256 << 20

func (g *growth) full() bool {
	var about unix.Statfs_t
	err := unix.Statfs(g.folder, &about)
	return err == nil && int64(about.Bavail)*about.Bsize < leastFree
}
