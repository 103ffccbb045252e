package process

import "os/exec"

// Relative is one process of a family, told apart from a later one with the
// same number.
type Relative struct {
	PID     int
	started uint64
}

// Adopt gives a command a process group of its own and, where the system can,
// has it asked to end (SIGTERM) when the thread that starts it ends: lock the
// goroutine to its thread until the command has ended.
func Adopt(cmd *exec.Cmd) { adopt(cmd) }

// Family returns a process and its descendants with their total resident memory
// in bytes; where the system cannot list them, only the process.
func Family(pid int) (all []Relative, memory int64) { return family(pid) }

// Kill ends those of a family that are still running.
func Kill(all []Relative) { kill(all) }
