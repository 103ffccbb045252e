//go:build !linux

package process

import (
	"os"
	"os/exec"
)

func adopt(cmd *exec.Cmd) { killTree(cmd) }

func family(pids []int) ([]Relative, int64) { return alone(pids), 0 }

func kill(all []Relative) {
	for _, r := range all {
		if p, err := os.FindProcess(r.PID); err == nil {
			_ = p.Kill() // gone already is as good
		}
	}
}
