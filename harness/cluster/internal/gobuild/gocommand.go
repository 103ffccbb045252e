package gobuild

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"

	"rolecall/harness/cluster/internal/versions"
	"rolecall/harness/gocommand"
	"rolecall/harness/next"
	"rolecall/harness/progress"
)

// Module is what `go mod download -json` says of one.
type Module struct{ Dir, GoMod, Error string }

// Download puts an upstream module into Go's module cache; dir is any of our
// modules.
func Download(ctx context.Context, dir, path, version string) (*Module, error) {
	var out bytes.Buffer
	runErr := runGo(ctx, dir, platform{}, &out, io.Discard, "mod", "download", "-json", path+"@"+version)
	var m Module
	if err := json.Unmarshal(out.Bytes(), &m); err == nil && m.Error != "" {
		runErr = errors.New(m.Error)
	}
	if runErr != nil {
		return nil, fmt.Errorf("downloading the Go module %s %s: %w", path, version, runErr)
	}
	return &m, nil
}

// countPackages returns how many packages a build is made of, or zero. It is
// for display only, and may run beside the build: what it would write into
// go.mod and go.sum it writes into copies.
func countPackages(ctx context.Context, dir string, on platform, targets []string) int64 {
	own, err := os.MkdirTemp("", "rolecall-count-")
	if err != nil {
		return 0
	}
	defer os.RemoveAll(own)
	for _, name := range []string{"go.mod", "go.sum"} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
			_ = os.WriteFile(filepath.Join(own, name), text, 0o644) // the go command says so if it is not there
		}
	}
	var out bytes.Buffer
	if err := runGo(ctx, dir, on, &out, io.Discard, append([]string{"list", "-deps", "-modfile", filepath.Join(own, "go.mod")}, targets...)...); err != nil {
		return 0
	}
	return int64(bytes.Count(out.Bytes(), []byte("\n")))
}

// packageCount counts the packages that `go build -v` names on its standard
// error and keeps the rest, which is what went wrong.
type packageCount struct {
	total             atomic.Int64 // of packages; zero while it is not known
	compiled, fetched int
	task              *progress.Task
	line              []byte
}

func (c *packageCount) Write(p []byte) (int, error) {
	c.line = append(c.line, p...)
	for {
		line, rest, ok := bytes.Cut(c.line, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		c.line = rest
		switch {
		case bytes.HasPrefix(line, []byte("go: downloading")):
			c.fetched++
			c.task.Update(fmt.Sprintf("%d modules downloaded", c.fetched))
		case !bytes.ContainsAny(line, " \t:#"):
			c.compiled++
			what := fmt.Sprintf("%d packages", c.compiled)
			if total := c.total.Load(); total > 0 { // those in Go's build cache are not named, so this may jump to the end
				what = fmt.Sprintf("%d of at most %d packages", c.compiled, total)
			}
			c.task.Update(what)
		}
	}
}

// platform is what a program is compiled for, as GOOS and GOARCH.
type platform struct{ os, arch string }

// runGo runs the go command in dir for a platform. stdout and said, which gets
// standard error, may be nil.
func runGo(ctx context.Context, dir string, on platform, stdout, said io.Writer, args ...string) error {
	cmd := gocommand.Many(ctx, dir, on.os, on.arch, "-mod=mod", args...)
	var stderr bytes.Buffer
	cmd.Stdout = stdout
	cmd.Stderr = &stderr
	if said != nil {
		cmd.Stderr = io.MultiWriter(&stderr, said)
	}
	err := cmd.Run()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, exec.ErrNotFound):
		return next.Errorf("install Go "+versions.Go+" or later: https://go.dev/dl/", "%w", err)
	}
	return fmt.Errorf("go %s: %w: %s", args[0], err, complaint(&stderr))
}

// complaint is the end of what the go command wrote, without its progress.
func complaint(stderr io.Reader) string {
	var last []string
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		if l := lines.Text(); strings.ContainsAny(l, " \t:") && !strings.HasPrefix(l, "go: downloading") {
			last = append(last, l)
		}
	}
	if len(last) > 20 {
		last = last[len(last)-20:]
	}
	return strings.Join(last, "\n")
}
