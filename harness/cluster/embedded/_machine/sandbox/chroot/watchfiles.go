package chroot

import (
	"time"

	"golang.org/x/sys/unix"
)

// filesInterval is how often the containers' files are measured.
const filesInterval = 200 * time.Millisecond

// watchFiles ends the containers that have written too much, of a container or
// of a pod, and notes how many sockets they have. When the file system of the
// folder is nearly full it ends all.
func watchFiles(users *users, folder string, stop <-chan struct{}) {
	ticker := time.NewTicker(filesInterval)
	defer ticker.Stop()
	grown := growth{folder: folder}
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
		}
		processes, full := users.processes(), grown.full()
		deleted := map[*container]int64{}
		for user, of := range processes {
			if c := users.owner(user); c != nil {
				found := filesOf(user, of)
				c.sockets.Store(int64(len(found.sockets)))
				deleted[c] = found.disk()
			}
		}
		if grown.much() || full {
			limitFiles(users, deleted, full)
		}
	}
}

// limitFiles ends the containers that are over their limits, or all.
func limitFiles(users *users, deleted map[*container]int64, all bool) {
	for p, containers := range users.containers() {
		var whole int64
		for _, c := range containers {
			limit := c.limits().disk
			used := deleted[c] + diskUse(c.folder, c.user, limit)
			whole += used
			if used > limit || all {
				c.end()
			}
		}
		if p.spec.Disk > 0 && whole > p.spec.Disk {
			for _, c := range containers {
				c.end()
			}
		}
	}
}

// growth tells when a folder's file system has filled so much that it is
// worthwhile to measure what is in the folder.
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

// leastFree is what the containers leave of a file system, in bytes, whatever
// it is that fills it.
const leastFree = 256 << 20

func (g *growth) full() bool {
	var about unix.Statfs_t
	err := unix.Statfs(g.folder, &about)
	return err == nil && int64(about.Bavail)*about.Bsize < leastFree
}
