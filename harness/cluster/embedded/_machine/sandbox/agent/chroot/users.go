package chroot

import (
	"fmt"
	"os"
	"time"

	"rolecall.build/machine/sandbox/agent/internal/forkexec"

	"golang.org/x/sys/unix"
)

// fileOwner says whose the files of the root are. The container's first process
// is one user, what is executed beside it another, and both are of one group:
// what is the container's user's is the first's, and the group may do with it
// what its user may.
type fileOwner struct {
	host        int // the host's id of both user and group
	user, group int // the container's, as its image counts them
	readOnly    bool
}

// of returns the host's ids and the mode for a file of the image.
func (o fileOwner) of(uid, gid int, mode uint32) (int, int, uint32) {
	mode &= 0o777 // Nothing may change its user. Nor is it sticky: the two users are one in the container's eyes.
	ofUser, ofGroup := uid == o.user, gid == o.group
	uid, gid = 0, 0
	if ofUser {
		mode |= mode & 0o700 >> 3
	}
	if o.readOnly {
		mode &^= 0o222
	} else if ofUser {
		uid = o.host
	}
	if ofUser || ofGroup {
		gid = o.host
	}
	return uid, gid, mode
}

// apply does so with a file of root's.
func (o fileOwner) apply(file string, mode uint32) error {
	uid, gid, mode := o.of(0, 0, mode)
	if err := os.Lchown(file, uid, gid); err != nil {
		return fmt.Errorf("changing the owner of %s: %w", file, err)
	}
	return unix.Chmod(file, mode)
}

// dropPrivileges adds the steps that take all rights of root's from a process.
func (a *agent) dropPrivileges(child *forkexec.Child, user int, seccomp []byte) {
	group, id := uintptr(a.spec.User), uintptr(user)
	child.Add("setting the umask", 0, unix.SYS_UMASK, 0o002)
	child.Limit("limiting processes", unix.RLIMIT_NPROC, uint64(a.spec.PIDs))
	child.LimitResources()
	child.Limit("limiting the size of files", unix.RLIMIT_FSIZE, uint64(a.spec.Disk))
	for capability := range uintptr(64) {
		child.Add("dropping capabilities", forkexec.Lenient, unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, capability)
	}
	child.Add("leaving all groups", 0, unix.SYS_SETGROUPS, 0, 0)
	child.Add("becoming the pod's group", 0, unix.SYS_SETRESGID, group, group, group)
	child.Add("becoming the pod's user", 0, unix.SYS_SETRESUID, id, id, id)
	child.Add("setting no_new_privs", 0, unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1)
	child.Add("ending with the agent", 0, unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL))
	if a.landlock >= 0 {
		child.Add("restricting files and network", 0, unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(a.landlock), 0)
	}
	child.Filter(seccomp)
}

// killing is how long killAll goes on at most.
const killing = 5 * time.Second

// killAll kills the processes of the container's users until none is left. A
// process of a user that has no other does it: nothing in the container can
// stop it, and the kernel reaches all at once, however fast they multiply.
func (a *agent) killAll() error {
	for end := time.Now().Add(killing); time.Now().Before(end); time.Sleep(time.Millisecond) {
		left := 0
		for _, user := range []int{a.spec.User, a.spec.User + 1} {
			if _, err := unix.Getpriority(unix.PRIO_USER, user); err == unix.ESRCH {
				continue // the user has no process
			}
			left++
			if err := a.kill(user); err != nil {
				return fmt.Errorf("killing the container's processes: %w", err)
			}
		}
		if left == 0 {
			return nil
		}
	}
	return fmt.Errorf("killing the container's processes: some are left after %v", killing)
}

// kill kills what a user has now.
func (a *agent) kill(user int) error {
	child, nobody := &forkexec.Child{}, uintptr(a.spec.User+2)
	child.Add("becoming nobody", 0, unix.SYS_SETRESUID, nobody, uintptr(user), nobody)
	child.Add("killing", forkexec.Lenient, unix.SYS_KILL, ^uintptr(0), uintptr(unix.SIGKILL))
	child.Add("ending", 0, unix.SYS_EXIT_GROUP, 0)
	pid, outcome, err := a.fork(child)
	if err != nil {
		return err
	}
	return child.Result(pid, outcome)
}
