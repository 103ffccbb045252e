package process

import "os/exec"

// Relative is one process of a family, told apart from a later one that got
// its number.
type Relative struct {
	PID     int
	started uint64
}

// Adopt gives a command a process group of its own and, where the system can
// do that, asks it to end (SIGTERM) when the thread that starts it ends: lock
// the goroutine to its thread until the command has ended.
func Adopt(cmd *exec.Cmd) { adopt(cmd) }

// Family are a process and all that it started, and the memory in bytes that
// they have. Where the system does not tell, it is the process alone.
func Family(pid int) (all []Relative, memory int64) { return family(pid) }

// Kill ends those of a family that are still there.
func Kill(all []Relative) { kill(all) }
