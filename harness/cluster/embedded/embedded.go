// Package embedded starts a cluster in seconds on Linux, without a container
// engine and without root: the control plane's own programs in one process, and
// a node that runs pods as isolated processes. All of it is compiled here,
// once, from upstream modules and the sources in _machine.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"rolecall/harness/cluster/internal/labimage"
	"rolecall/harness/cluster/internal/owned"
	"rolecall/harness/next"
)

// Cluster is an embedded cluster. Its process, the machine, runs until Down.
type Cluster struct{ owned.Cluster }

// Running reports whether the cluster can be used as it is.
func (c *Cluster) Running(ctx context.Context) bool {
	if c.unusable(ctx) != "" {
		return false
	}
	c.Found()
	return true
}

// Up reuses a running cluster of the same record, and otherwise starts a new
// one in place of what is left of an old one.
func (c *Cluster) Up(ctx context.Context) error {
	if c.StillThere() && c.alive() {
		return nil
	}
	stale := c.unusable(ctx)
	if stale == "" {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if _, err := Possible(); err != nil {
		return err
	}
	if c.Exists() {
		c.Announce("replacing the embedded cluster %s: %s", c.Name(), stale)
		if err := c.Down(ctx); err != nil {
			return err
		}
	}
	if err := c.start(ctx); err != nil {
		return owned.Abandon(ctx, c, err)
	}
	return nil
}

// start makes a cluster where there is none. What it leaves after an error is
// for Down.
func (c *Cluster) start(ctx context.Context) (err error) {
	var programs programs
	var image string
	parts, building := errgroup.WithContext(ctx) // downloading mostly waits, compiling does not
	parts.Go(func() (err error) {
		programs, err = compile(building, c.Home, c.Display)
		return err
	})
	parts.Go(func() (err error) {
		image, err = labimage.Archive(building, c.Home, runtime.GOARCH, c.Display)
		return err
	})
	if err := parts.Wait(); err != nil {
		return err
	}
	task := c.Display.Begin("starting the embedded cluster "+c.Name(), 4*time.Second)
	defer func() { task.End(err) }()
	if err := c.launch(ctx, programs, image); err != nil {
		return err
	}
	if err := c.Settle(ctx, task.Update); err != nil {
		return err
	}
	if err := c.recordProcesses(); err != nil {
		return err
	}
	return c.Complete([]byte(c.fingerprint()))
}

// Down ends the cluster's process, and with it all its pods, and deletes its
// folder.
func (c *Cluster) Down(ctx context.Context) error {
	if err := c.stop(ctx); err != nil {
		return err
	}
	if err := c.removeCgroups(ctx); err != nil {
		return err
	}
	return c.Delete()
}

// Status describes in a line what is there under the cluster's name.
func (c *Cluster) Status(ctx context.Context) (string, error) {
	unusable := c.unusable(ctx)
	switch {
	case unusable == "":
		return fmt.Sprintf("the embedded cluster %s is up; kubeconfig: %s", c.Name(), c.Kubeconfig()), nil
	case c.Exists():
		return fmt.Sprintf("the embedded cluster %s cannot be used: %s; make up replaces it", c.Name(), unusable), nil
	}
	return fmt.Sprintf("there is no embedded cluster %s; make up CLUSTER=embedded starts one", c.Name()), nil
}

// Diagnose tries what the cluster lives on: the disk that it writes to, and its
// process.
func (c *Cluster) Diagnose() error {
	file := filepath.Join(c.Folder(), "written-by-diagnose")
	err := os.WriteFile(file, make([]byte, diskNeeded), 0o600)
	_ = os.Remove(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return next.Errorf("make up", "the embedded cluster is gone")
	case err != nil:
		return next.Errorf("free some disk space for "+c.Folder(), "the embedded cluster cannot write to its disk: %w", errors.Unwrap(err))
	case !c.alive():
		return next.Errorf("make up", "the embedded cluster's process has ended: %s", c.lastWords())
	}
	return nil
}

// diskNeeded is how much must be free, in bytes, for the cluster to count as
// able to write: some events of the audit log and some objects.
const diskNeeded = 256 << 10

// Logs copies the process's own log and the audit log into dir.
func (c *Cluster) Logs(_ context.Context, dir string) error {
	for _, name := range []string{machineLog, auditLog} {
		text, err := os.ReadFile(filepath.Join(c.Folder(), name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), text, 0o600)
		}
		if err != nil {
			return fmt.Errorf("collecting the cluster's logs: %w", err)
		}
	}
	return nil
}
