package process

import "os/exec"

// Relative is one process of a family, told apart from a later one with the
// same number.
type Relative struct {
	PID     int
	Started uint64 // in clock ticks since the system's start; 0 where it does not tell
}

// Adopt gives a command a process group of its own and, where the system can,
// has it asked to end (SIGTERM) when the thread that starts it ends: lock the
// goroutine to its thread until the command has ended.
func Adopt(cmd *exec.Cmd) { adopt(cmd) }

// Family returns processes and their descendants, each once, with their total
// resident memory in bytes; where the system cannot list them, only the
// processes. 0 is none.
func Family(pids ...int) (all []Relative, memory int64) { return family(pids) }

// Kill ends those of a family that are still running.
func Kill(all []Relative) { kill(all) }

// alone are the processes, without their descendants.
func alone(pids []int) (all []Relative) {
	for _, pid := range pids {
		if pid > 0 {
			all = append(all, Relative{PID: pid})
		}
	}
	return all
}
