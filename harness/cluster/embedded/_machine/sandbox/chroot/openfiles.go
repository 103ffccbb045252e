package chroot

import (
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"syscall"

	"github.com/prometheus/procfs"

	"golang.org/x/sys/unix"
)

// leastFile is what a file takes, however little is in it.
const leastFile = 4096

// diskUse is what a container's users own, in bytes, or more than limit. A file
// counts once, however many names it has. Files of the image are not theirs
// where they cannot write. No link leads out of the folder.
func diskUse(folder string, user int, limit int64) (bytes int64) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return 0
	}
	defer root.Close()
	seen := map[uint64]bool{} // files with several names, by inode
	_ = fs.WalkDir(root.FS(), ".", func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil // it was removed meanwhile
		}
		about, err := entry.Info()
		if err != nil {
			return nil
		}
		if there, ok := about.Sys().(*syscall.Stat_t); ok && ownedBy(there, user) && !seen[there.Ino] {
			if there.Nlink > 1 {
				seen[there.Ino] = true
			}
			bytes += max(there.Blocks*512, leastFile)
		}
		if bytes > limit {
			return fs.SkipAll
		}
		return nil
	})
	return bytes
}

func ownedBy(file *syscall.Stat_t, user int) bool {
	return int(file.Uid) >= user && int(file.Uid) < user+idsOfContainer
}

// openFiles is what the processes of a container have open.
type openFiles struct {
	user    int              // the first of its ids
	deleted map[uint64]int64 // files that are in no folder any more: bytes by inode
	sockets map[uint64]bool  // by inode
}

// filesOf looks at the files of a container's processes. The kernel shows them
// to whoever may trace any process, which root of a container may not, and to
// the users themselves: this thread has their rights to files meanwhile, which
// gives them none over it.
func filesOf(user int, processes []process) openFiles {
	found := openFiles{user, map[uint64]int64{}, map[uint64]bool{}}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer func() { _, _ = unix.SetfsgidRetGid(0) }() // these calls do not fail (setfsuid(2))
	_, _ = unix.SetfsgidRetGid(user)
	defer func() { _, _ = unix.SetfsuidRetUid(0) }()
	for _, p := range processes {
		_, _ = unix.SetfsuidRetUid(p.user)
		found.add(p.pid)
	}
	return found
}

func (o *openFiles) add(pid int) {
	folder := fmt.Sprintf("/proc/%d/fd", pid)
	entries, _ := os.ReadDir(folder) // none: it ended
	for _, entry := range entries {
		if about, err := os.Stat(folder + "/" + entry.Name()); err == nil {
			o.note(about)
		}
	}
	o.mapped(pid)
}

func (o *openFiles) note(about fs.FileInfo) {
	there, ok := about.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
	case about.Mode()&fs.ModeSocket != 0:
		o.sockets[there.Ino] = true
	case about.Mode().IsRegular() && there.Nlink == 0 && ownedBy(there, o.user):
		o.deleted[there.Ino] = there.Blocks * 512
	}
}

// mapped finds deleted files that are only mapped. What is mapped of them is
// what is known of their size.
func (o *openFiles) mapped(pid int) {
	listed, err := procfs.NewProc(pid)
	if err != nil {
		return
	}
	maps, err := listed.ProcMaps()
	if err != nil {
		return
	}
	for _, m := range maps {
		if _, known := o.deleted[m.Inode]; !known && strings.HasSuffix(m.Pathname, " (deleted)") {
			o.deleted[m.Inode] = int64(m.EndAddr - m.StartAddr)
		}
	}
}

func (o *openFiles) disk() (bytes int64) {
	for _, size := range o.deleted {
		bytes += size
	}
	return bytes
}
