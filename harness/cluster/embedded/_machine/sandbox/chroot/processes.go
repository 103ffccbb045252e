package chroot

import (
	"os"

	"github.com/prometheus/procfs"
)

// process is one of a container's.
type process struct {
	pid, user int
	// bytes is its resident memory, with what the kernel needs to know where that
	// is.
	bytes, threads int64
}

// processes are those of all containers, by the first of their ids.
func (u *users) processes() map[int][]process {
	all, err := procfs.AllProcs()
	if err != nil {
		return nil
	}
	found := map[int][]process{}
	for _, listed := range all {
		if p, err := u.look(listed); err == nil {
			found[u.firstOf(p.user)] = append(found[u.firstOf(p.user)], p)
		}
	}
	return found
}

// look reads what the kernel says of a process. The error is os.ErrNotExist if
// it is no container's, or has ended.
func (u *users) look(listed procfs.Proc) (process, error) {
	status, err := listed.NewStatus()
	if err != nil {
		return process{}, err
	}
	p := process{pid: listed.PID, user: int(status.UIDs[0]), bytes: int64(status.VmRSS + status.VmPTE)}
	// In a PID namespace below it is another machine's, in another network
	// perhaps: no pod of this one's can make one.
	if !u.has(p.user) || len(status.NSpids) > 1 {
		return process{}, os.ErrNotExist
	}
	stat, err := listed.Stat()
	p.threads = int64(stat.NumThreads)
	return p, err
}

// kill kills a process by a handle of it, unless its PID is another's by now.
func (u *users) kill(victim process) {
	handle, err := os.FindProcess(victim.pid)
	if err != nil {
		return
	}
	defer func() { _ = handle.Release() }()
	listed, err := procfs.NewProc(victim.pid)
	if err != nil {
		return
	}
	if now, err := u.look(listed); err == nil && now.user == victim.user {
		_ = handle.Kill() // it may have ended
	}
}
