// Package gobuild compiles Go programs on the user's machine: those that a
// cluster is made of, from upstream modules and sources of ours.
package gobuild

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"rolecall/harness/progress"
)

// Version is the least version of Go that all the modules accept.
const Version = "1.26.0"

// Program is one compilation: a module made for the purpose, of which one or
// more main packages become programs.
type Program struct {
	Name     string
	OS       string                                         // as GOOS; linux if empty
	Packages []string                                       // main packages, as the go command names them
	Ldflags  string                                         // beyond those that all get
	Content  []string                                       // what Write writes, or all that decides it
	Write    func(ctx context.Context, module string) error // writes the module's files into an existing folder
	Usual    time.Duration                                  // how long it takes as a rule
}

// Compile returns the folder that holds the programs for an architecture. It
// compiles only if no earlier call has left the same below dir.
func (p Program) Compile(ctx context.Context, dir, arch string, display *progress.Display) (_ string, err error) {
	key := sha256.Sum256(fmt.Appendf(nil, "%q", []any{p.OS, p.Content, p.Packages, p.Ldflags, arch}))
	out := filepath.Join(dir, "programs", p.Name+"-"+arch+"-"+hex.EncodeToString(key[:6]))
	if _, err := os.Stat(out); err == nil {
		return out, nil
	}
	task := display.Begin("compiling "+p.Name, p.Usual)
	defer func() { task.End(err) }()

	module := filepath.Join(dir, "modules", filepath.Base(out))
	if err := os.MkdirAll(module, 0o755); err != nil {
		return "", err
	}
	if err := p.Write(ctx, module); err != nil {
		return "", err
	}
	unfinished := out + ".new"
	if err := os.RemoveAll(unfinished); err != nil {
		return "", err
	}
	if err := os.MkdirAll(unfinished, 0o755); err != nil {
		return "", err
	}
	defer os.RemoveAll(unfinished)

	platform := platform{"linux", arch}
	if p.OS != "" {
		platform.os = p.OS
	}
	count := &packageCount{total: countPackages(ctx, module, platform, p.Packages), task: task}
	args := []string{
		"build", "-v", "-trimpath", "-buildvcs=false",
		"-ldflags", strings.TrimSpace("-s -w " + p.Ldflags), "-o", unfinished + string(filepath.Separator),
	}
	if err := runGo(ctx, module, platform, nil, count, append(args, p.Packages...)...); err != nil {
		return "", fmt.Errorf("compiling %s: %w", p.Name, err)
	}
	return out, os.Rename(unfinished, out)
}
