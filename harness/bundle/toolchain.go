package bundle

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"rolecall/harness/check"
	"rolecall/harness/gocommand"
	"rolecall/harness/next"
	"rolecall/harness/progress"
)

// toolchain is the Go of this machine, with what learners' programs need.
type toolchain struct {
	module  check.Module
	display *progress.Display
	temp    string // a folder for what is made here

	// What the go command says of itself.
	GOROOT, GOVERSION, GOMODCACHE, GOPROXY string
}

// ask finds the go command in PATH.
func (t *toolchain) ask(ctx context.Context) error {
	command := gocommand.New(ctx, t.temp, "", "", "", "env", "-json", "GOROOT", "GOVERSION", "GOMODCACHE", "GOPROXY")
	out, err := command.Output()
	if errors.Is(err, exec.ErrNotFound) {
		return next.Errorf("install Go from https://go.dev/dl", "there is no go command in PATH")
	}
	if err == nil {
		err = json.Unmarshal(out, t)
	}
	if err != nil {
		return fmt.Errorf("asking the go command: %w", err)
	}
	return nil
}

// prepare downloads the modules of learners' programs and compiles what these
// usually import, exactly as a learner's machine will.
func (t *toolchain) prepare(ctx context.Context) error {
	for name, text := range map[string]string{"go.mod": t.module.Mod, "go.sum": t.module.Sum} {
		if err := os.WriteFile(filepath.Join(t.temp, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	if err := t.run(ctx, "downloading the modules of learners' programs", 5*time.Second, "mod", "download"); err != nil {
		return fmt.Errorf("downloading the modules of learners' programs: %w", err)
	}
	packages := append([]string{"build", "std"}, t.module.Usual...)
	if err := t.run(ctx, "compiling what learners' programs import", 2*time.Minute, packages...); err != nil {
		return fmt.Errorf("compiling what learners' programs import: %w", err)
	}
	return nil
}

// run runs the go command with caches of its own. A module that this machine
// has is taken from there. The index of modules, which Go would put into the
// cache too, is of use in this folder only.
func (t *toolchain) run(ctx context.Context, what string, usual time.Duration, arguments ...string) (err error) {
	task := t.display.Begin(what, usual)
	defer func() { task.End(err) }()
	command := gocommand.Many(ctx, t.temp, "linux", runtime.GOARCH, "-mod=readonly -modcacherw", arguments...)
	own := "file://" + filepath.ToSlash(filepath.Join(t.GOMODCACHE, "cache", "download"))
	command.Env = append(command.Env,
		"GOROOT="+t.GOROOT, "GOTOOLCHAIN=local", "GOENV=off", "GOSUMDB=off", "GOPROXY="+own+","+t.GOPROXY,
		"GOMODCACHE="+filepath.Join(t.temp, gocommand.Modules), "GOCACHE="+filepath.Join(t.temp, gocommand.Cache),
		"GOEXPERIMENT=", "GOAMD64=", "GOARM64=", "GOCACHEPROG=", "GODEBUG=goindex=0",
	)
	var said bytes.Buffer
	command.Stderr = &said
	err = command.Run()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return next.Errorf("connect to the internet and try again", "go %s: %w: %s", arguments[0], err, check.Printable(strings.TrimSpace(said.String()), 1000))
	}
	return nil
}

// write writes the archive.
func (t *toolchain) write(to io.Writer) (err error) {
	entries, err := t.entries()
	if err != nil {
		return err
	}
	task := t.display.Begin("compressing Go", 20*time.Second)
	defer func() { task.End(err) }()
	return writeArchive(to, entries, func(n int64) { task.Update(megabytes(n)) })
}

// entries are the files of the archive: as much of Go as compiling without cgo
// takes, the modules as they were downloaded, and the compiled packages.
func (t *toolchain) entries() (all []entry, err error) {
	exe := ""
	if runtime.GOOS == "windows" {
		exe = ".exe"
	}
	for _, name := range []string{"VERSION", "go.env", "LICENSE", "bin/go" + exe} {
		file := filepath.Join(t.GOROOT, filepath.FromSlash(name))
		if _, err := os.Stat(file); err == nil {
			all = append(all, entry{name: gocommand.Root + "/" + name, file: file, at: past})
		}
	}
	tools := regexp.MustCompile(`^[a-z0-9_]+/((asm|compile|link)(\.exe)?)?$`)
	for _, part := range []struct {
		folder string
		wanted func(string) bool
	}{
		{"src", compiled},
		{"lib/time", anything},
		{"pkg/include", anything},
		{"pkg/tool", tools.MatchString},
	} {
		files, err := tree(gocommand.Root+"/"+part.folder, filepath.Join(t.GOROOT, filepath.FromSlash(part.folder)), part.wanted)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", t.GOROOT, err)
		}
		all = append(all, files...)
	}
	for i := range all {
		all[i].executable = strings.HasPrefix(all[i].name, gocommand.Root+"/bin/") || strings.HasPrefix(all[i].name, gocommand.Root+"/pkg/tool/")
	}
	modules, err := tree(gocommand.Modules, filepath.Join(t.temp, gocommand.Modules), downloaded)
	if err != nil {
		return nil, err
	}
	cache, err := tree(gocommand.Cache, filepath.Join(t.temp, gocommand.Cache), inCache)
	for i := range cache {
		cache[i].at = future
		if strings.HasSuffix(cache[i].name, "-a") {
			cache[i].edit = timeless
		}
	}
	return append(append(all, modules...), cache...), err
}

func anything(string) bool { return true }

// compiled reports whether compiling a program reads a file of Go's sources:
// neither the go command's own nor what is there for tests.
func compiled(name string) bool {
	return !strings.HasPrefix(name, "cmd/") && !strings.HasSuffix(name, "_test.go") && !strings.HasSuffix("/"+name, "/testdata/")
}

// downloaded reports whether a file of a module cache is one that was
// downloaded. Modules are unpacked from these where they are needed.
func downloaded(name string) bool {
	if strings.HasSuffix(name, "/") {
		return strings.HasPrefix("cache/download/", name) || strings.HasPrefix(name, "cache/download/") && name != "cache/download/sumdb/"
	}
	return !strings.HasSuffix(name, ".lock") && strings.HasPrefix(name, "cache/download/")
}

// inCache reports whether a file of Go's cache is an entry of it.
func inCache(name string) bool {
	return regexp.MustCompile(`^[0-9a-f]{2}/([0-9a-f]{64}-[ad])?$`).MatchString(name)
}

// timeless is an entry of Go's cache without the time when it was made, the
// number of nanoseconds at its end.
func timeless(text []byte) []byte {
	const digits = 20
	if len(text) < digits+1 || !bytes.HasPrefix(text, []byte("v1 ")) {
		return text
	}
	return fmt.Appendf(text[:len(text)-digits-1], "%*d\n", digits, past.UnixNano())
}
