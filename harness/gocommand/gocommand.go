// Package gocommand runs the go command as all of rolecall is compiled: the
// command itself, the programs of its clusters and learners' programs. Go's
// build cache tells packages apart by how they were compiled, so only what is
// compiled in one way is compiled once.
package gocommand

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"time"

	"rolecall/harness/process"
)

// Flags are the flags that decide whether two builds share packages, as in
// GOFLAGS; so does CGO_ENABLED=0. The Makefile has the same. Without debugging
// information, which no program here is shipped with, compiling takes a fifth
// less time, and another quarter less where no calls are inlined. The standard
// library's are, since it is small and much of a program's time is spent in it.
const Flags = "-trimpath -buildvcs=false '-gcflags=all=-dwarf=false -l' -gcflags=std=-dwarf=false"

// Fast is what to add to the environment of a go command that compiles many
// packages: the compiler collects no garbage before it has taken 1 GiB, which is
// more than nearly all packages need, and so saves a third of its time.
var Fast = []string{"GOGC=off", "GOMEMLIMIT=1GiB"}

// New returns a command of the go command in PATH: see Toolchain.New.
func New(ctx context.Context, module, goos, goarch, flags string, arguments ...string) *exec.Cmd {
	return inPath.New(ctx, module, goos, goarch, flags, arguments...)
}

// Many is New for a command that compiles many packages: as many at a time as
// there are processors, each by a compiler that has half of the processors. By
// default each has all of them, and the compilers' threads, above all those that
// collect garbage, are in each other's way: that is a tenth of all processor time.
func Many(ctx context.Context, module, goos, goarch, flags string, arguments ...string) *exec.Cmd {
	processors := runtime.GOMAXPROCS(0)
	command := New(ctx, module, goos, goarch, fmt.Sprintf("%s -p=%d", flags, processors), arguments...)
	command.Env = append(command.Env, Fast...)
	command.Env = append(command.Env, fmt.Sprintf("GOMAXPROCS=%d", max(1, processors/2)))
	return command
}

// New returns a go command in a module's folder, for a system and an
// architecture, or for this machine's where they are empty. More flags than
// the shared ones, as in GOFLAGS, may be empty too. All of the command's
// processes end with ctx.
func (t Toolchain) New(ctx context.Context, module, goos, goarch, flags string, arguments ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, t.command, arguments...)
	command.Dir = module
	if t.flags != "" {
		flags = t.flags + " " + flags
	}
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS="+Flags+" "+flags, "GOWORK=off", "GO111MODULE=on")
	command.Env = append(command.Env, t.environment...)
	if goos != "" {
		command.Env = append(command.Env, "GOOS="+goos)
	}
	if goarch != "" {
		command.Env = append(command.Env, "GOARCH="+goarch)
	}
	process.KillTree(command)
	command.WaitDelay = time.Second
	return command
}
