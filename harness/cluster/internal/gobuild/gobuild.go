// Package gobuild compiles Go programs on the user's machine: those that a
// cluster is made of, from upstream modules and our own sources.
package gobuild

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"rolecall/harness/gocommand"
	"rolecall/harness/next"
	"rolecall/harness/progress"
)

// Program is one compilation: a module made for the purpose, of which one or
// more main packages become programs.
type Program struct {
	Name     string
	OS       string                                         // as GOOS; linux if empty
	Packages []string                                       // main packages, as the go command names them
	Tags     string                                         // build tags
	Ldflags  string                                         // beyond those that all get
	Content  []string                                       // what Write writes, or all that decides it
	Write    func(ctx context.Context, module string) error // writes the module's files into an existing folder
	Usual    time.Duration                                  // how long it usually takes
}

// Compiled returns the folder below dir that the programs for an architecture
// belong in, and reports whether they are there.
func (p Program) Compiled(dir, arch string) (folder string, there bool) {
	key := sha256.Sum256(fmt.Appendf(nil, "%q", []any{gocommand.Flags, p.OS, p.Content, p.Packages, p.Tags, p.Ldflags, arch}))
	folder = filepath.Join(dir, "programs", p.Name+"-"+arch+"-"+hex.EncodeToString(key[:6]))
	_, err := os.Stat(folder)
	return folder, err == nil
}

// Compile returns the folder that holds the programs for an architecture. It
// compiles only if no earlier call has left the same below dir. Of several
// calls at once, in whatever processes, one compiles and the others wait.
func (p Program) Compile(ctx context.Context, dir, arch string, display *progress.Display) (string, error) {
	out, there := p.Compiled(dir, arch)
	if there {
		return out, nil
	}
	module := filepath.Join(dir, "modules", filepath.Base(out))
	for _, folder := range []string{module, filepath.Dir(out)} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return "", next.Errorf("free some disk space", "compiling %s: %w", p.Name, err)
		}
	}
	release, err := p.lock(ctx, module+".lock", display)
	if err != nil {
		return "", fmt.Errorf("waiting for another command that compiles %s: %w", p.Name, err)
	}
	defer release()
	if _, there := p.Compiled(dir, arch); there {
		return out, nil
	}
	if err := p.compile(ctx, module, out, arch, display); err != nil {
		return "", fmt.Errorf("compiling %s: %w", p.Name, err)
	}
	return out, nil
}

// lock makes compilations of the same programs take turns.
func (p Program) lock(ctx context.Context, file string, display *progress.Display) (release func(), err error) {
	lock := flock.New(file)
	got, err := lock.TryLock()
	if err == nil && !got {
		task := display.Begin("waiting for another command that compiles "+p.Name, p.Usual)
		defer func() { task.End(err) }()
		_, err = lock.TryLockContext(ctx, 100*time.Millisecond)
	}
	return func() { _ = lock.Unlock() }, err
}

// compile fills out, whole or not at all.
func (p Program) compile(ctx context.Context, module, out, arch string, display *progress.Display) (err error) {
	task := display.Begin("compiling "+p.Name, p.Usual)
	defer func() { task.End(err) }()

	killed, _ := filepath.Glob(out + ".new-*") // whoever made them no longer holds the lock
	for _, folder := range killed {
		if err := os.RemoveAll(folder); err != nil {
			return err
		}
	}
	if err := p.Write(ctx, module); err != nil {
		return err
	}
	unfinished, err := os.MkdirTemp(filepath.Dir(out), filepath.Base(out)+".new-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(unfinished)

	platform := platform{"linux", arch}
	if p.OS != "" {
		platform.os = p.OS
	}
	count := &packageCount{task: task}
	listing, stop := context.WithCancel(ctx)
	var listed sync.WaitGroup
	listed.Go(func() { count.total.Store(countPackages(listing, module, platform, p.Packages)) })
	defer listed.Wait()
	defer stop()
	args := []string{
		"build", "-v", "-tags", p.Tags, "-ldflags", strings.TrimSpace("-s -w " + p.Ldflags), "-o", unfinished + string(filepath.Separator),
	}
	if err := runGo(ctx, module, platform, nil, count, append(args, p.Packages...)...); err != nil {
		return err
	}
	if err := os.Chmod(unfinished, 0o755); err != nil { // it was made for its owner alone
		return err
	}
	return os.Rename(unfinished, out)
}
