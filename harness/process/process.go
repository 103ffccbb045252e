// Package process ends programs together with the programs they started.
package process

import "os/exec"

// KillTree makes the end of the command's context end what it started too.
// Call it before the command starts; the command must be one of
// exec.CommandContext. On Unix the command gets a process group of its own,
// so a terminal's Ctrl-C reaches it only through its context.
func KillTree(cmd *exec.Cmd) { killTree(cmd) }

// Apart makes a command outlive its caller: on Unix in a session of its own, so
// that no signal of a terminal's reaches it. Call it before the command starts.
func Apart(cmd *exec.Cmd) { apart(cmd) }
