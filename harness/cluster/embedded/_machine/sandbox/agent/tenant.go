package main

import (
	"fmt"
	"os"
	"time"

	"rolecall.build/machine/sandbox/internal/wire"

	"golang.org/x/sys/unix"
)

// tenant says whose the files of a room are. The container's first process is one user, what is executed beside it another, and both are of one
// group: what is the container's user's is the first's, and the group may do with it what its user may.
type tenant struct {
	room        wire.Room
	user, group int // the container's, as its image counts them
	readOnly    bool
}

// owns returns the host's ids and the mode for a file of the image.
func (t *tenant) owns(uid, gid int, mode uint32) (int, int, uint32) {
	mode &= 0o777 // Nothing may change its user. Nor is it sticky: the two users are one in the container's eyes.
	mine, ours := uid == t.user, gid == t.group
	uid, gid = 0, 0
	if mine {
		mode |= mode & 0o700 >> 3
	}
	if t.readOnly {
		mode &^= 0o222
	} else if mine {
		uid = t.room.User
	}
	if mine || ours {
		gid = t.room.User
	}
	return uid, gid, mode
}

// own does so with a file of root's.
func (t *tenant) own(file string, mode uint32) error {
	uid, gid, mode := t.owns(0, 0, mode)
	if err := os.Lchown(file, uid, gid); err != nil {
		return fmt.Errorf("giving %s away: %w", file, err)
	}
	return unix.Chmod(file, mode)
}

// becomeTenant adds the steps that take all rights of root's from a process.
func (p *program) becomeTenant(r *room, user int, pids int64, seccomp []byte) {
	p.add("setting the umask", 0, unix.SYS_UMASK, 0o002)
	p.limit("limiting processes", unix.RLIMIT_NPROC, uint64(pids))
	p.limitAll()
	p.limit("limiting the size of files", unix.RLIMIT_FSIZE, uint64(r.Disk))
	for capability := range uintptr(64) {
		p.add("dropping capabilities", lenient, unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, capability)
	}
	p.add("leaving all groups", 0, unix.SYS_SETGROUPS, 0, 0)
	p.add("becoming the pod's group", 0, unix.SYS_SETRESGID, uintptr(r.User), uintptr(r.User), uintptr(r.User))
	p.add("becoming the pod's user", 0, unix.SYS_SETRESUID, uintptr(user), uintptr(user), uintptr(user))
	p.add("setting no_new_privs", 0, unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1)
	p.add("ending with the agent", 0, unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL))
	if r.landlock >= 0 {
		p.add("restricting files and network", 0, unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(r.landlock), 0)
	}
	p.filter(seccomp)
}

// clearing is how long clear goes on at most.
const clearing = 5 * time.Second

// clear kills the room's processes until none is left. A process of a user that has no other does it: nothing in the room can stop it, and the kernel
// reaches all at once, however fast they multiply.
func (r *room) clear() error {
	for end := time.Now().Add(clearing); time.Now().Before(end); time.Sleep(time.Millisecond) {
		left := 0
		for _, user := range []int{r.User, r.User + 1} {
			if _, err := unix.Getpriority(unix.PRIO_USER, user); err == unix.ESRCH {
				continue // the user has no process
			}
			left++
			child := &program{}
			nobody := uintptr(r.User + 2)
			child.add("becoming nobody", 0, unix.SYS_SETRESUID, nobody, uintptr(user), nobody)
			child.add("killing", lenient, unix.SYS_KILL, ^uintptr(0), uintptr(unix.SIGKILL))
			child.add("ending", 0, unix.SYS_EXIT_GROUP, 0)
			pid, outcome, err := r.fork(child)
			if err == nil {
				err = child.result(pid, outcome)
			}
			if err != nil {
				return fmt.Errorf("clearing the room: %w", err)
			}
		}
		if left == 0 {
			return nil
		}
	}
	return fmt.Errorf("clearing the room: processes are left after %v", clearing)
}

// fork forks on the thread that stays: the kernel ends a process with the thread that made it, as becomeTenant asks.
func (r *room) fork(child *program) (pid, outcome int, err error) {
	done := make(chan struct{})
	r.forks <- func() {
		pid, outcome, err = child.fork(0)
		close(done)
	}
	<-done
	return pid, outcome, err
}
