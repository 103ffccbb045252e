package sandbox

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// leastFile is what a file takes, however little is in it.
const leastFile = 4096

// diskUse is what a room's users own, in bytes, or more than limit. Files of the image are not theirs where they cannot write. No link leads out of
// the folder.
func diskUse(folder string, user int, limit int64) (bytes int64) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return 0
	}
	defer root.Close()
	_ = fs.WalkDir(root.FS(), ".", func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil // it was removed meanwhile
		}
		about, err := entry.Info()
		if err != nil {
			return nil
		}
		if there, ok := about.Sys().(*syscall.Stat_t); ok && ownedBy(there, user) {
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
	return int(file.Uid) >= user && int(file.Uid) < user+idsOfRoom
}

// openFiles is what the processes of a room have open.
type openFiles struct {
	room    int
	deleted map[uint64]int64 // files that are in no folder any more: bytes by inode
	sockets map[uint64]bool  // by inode
}

// filesOf looks at the files of a room's processes. The kernel shows them to whoever may trace any process, which root of a container may not, and to
// the users themselves: this thread has their rights to files meanwhile, which gives them none over it.
func filesOf(room int, processes []resident) openFiles {
	found := openFiles{room, map[uint64]int64{}, map[uint64]bool{}}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer func() { _, _ = unix.SetfsgidRetGid(0) }() // these calls do not fail (setfsuid(2))
	_, _ = unix.SetfsgidRetGid(room)
	defer func() { _, _ = unix.SetfsuidRetUid(0) }()
	for _, process := range processes {
		_, _ = unix.SetfsuidRetUid(process.user)
		found.add(process.pid)
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
	case about.Mode().IsRegular() && there.Nlink == 0 && ownedBy(there, o.room):
		o.deleted[there.Ino] = there.Blocks * 512
	}
}

// mapped finds deleted files that are only mapped (proc_pid_maps(5)). What is mapped of them is what is known of their size.
func (o *openFiles) mapped(pid int) {
	file, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 6 || !strings.HasSuffix(lines.Text(), " (deleted)") {
			continue
		}
		inode, err := strconv.ParseUint(fields[4], 10, 64)
		if _, known := o.deleted[inode]; err != nil || known {
			continue
		}
		var first, last uint64
		if _, err := fmt.Sscanf(fields[0], "%x-%x", &first, &last); err == nil {
			o.deleted[inode] = int64(last - first)
		}
	}
}

func (o *openFiles) disk() (bytes int64) {
	for _, size := range o.deleted {
		bytes += size
	}
	return bytes
}
