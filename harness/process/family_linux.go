package process

import (
	"os/exec"
	"syscall"

	"github.com/prometheus/procfs"
)

func adopt(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}

func family(pids []int) (all []Relative, memory int64) {
	processes, err := procfs.AllProcs()
	if err != nil {
		return alone(pids), 0
	}
	stats := map[int]procfs.ProcStat{}
	children := map[int][]int{}
	for _, p := range processes {
		if stat, err := p.Stat(); err == nil { // it may have ended meanwhile
			stats[p.PID] = stat
			children[stat.PPID] = append(children[stat.PPID], p.PID)
		}
	}
	for todo := pids; len(todo) > 0; todo = todo[1:] {
		stat, there := stats[todo[0]]
		if !there {
			continue
		}
		delete(stats, todo[0])
		all = append(all, Relative{todo[0], stat.Starttime})
		memory += int64(stat.ResidentMemory())
		todo = append(todo, children[todo[0]]...)
	}
	return all, memory
}

func kill(all []Relative) {
	for _, r := range all {
		p, err := procfs.NewProc(r.PID)
		if err != nil {
			continue
		}
		if stat, err := p.Stat(); err == nil && stat.Starttime == r.Started {
			_ = syscall.Kill(r.PID, syscall.SIGKILL) // gone already is as good
		}
	}
}
