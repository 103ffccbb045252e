package embedded

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"
	"k8s.io/apimachinery/pkg/util/wait"

	"rolecall/harness/cluster/internal/labimage"
	"rolecall/harness/next"
	"rolecall/harness/process"
	"rolecall/manifests"
)

const (
	machineLog = "machine.log"
	lockFile   = "lock"    // held by the machine as long as it lives; its pid is in it
	cgroups    = "cgroups" // from the machine: patterns of the names of its pods' cgroups, a line each
)

const (
	startLimit = 3 * time.Minute // the longest that a start may take: a minute on an emulated machine
	stopLimit  = 5 * time.Second // the longest that an orderly end may take
	pollEvery  = 20 * time.Millisecond

	// killLimit is the longest that the end of killed processes, and of their
	// cgroups, may take. The kernel frees their memory first, some GiB a second.
	killLimit = 30 * time.Second
)

// launch starts the machine and waits until it says that it is ready. Until
// then it lives no longer than this command: it dies when its standard input,
// a pipe, ends.
func (c *Cluster) launch(ctx context.Context, p programs, image string) error {
	if err := os.MkdirAll(c.Folder(), 0o700); err != nil {
		return fmt.Errorf("making the cluster's folder: %w", err)
	}
	policy := filepath.Join(c.Folder(), "audit-policy.yaml")
	if err := os.WriteFile(policy, []byte(manifests.AuditPolicy), 0o600); err != nil {
		return next.Errorf("free some disk space", "writing the audit policy: %w", err)
	}
	authentication, err := c.writeAuthentication()
	if err != nil {
		return err
	}
	// For appending: the machine begins it anew when it is long.
	log, err := os.OpenFile(filepath.Join(c.Folder(), machineLog), os.O_CREATE|os.O_TRUNC|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("writing the cluster's log: %w", err)
	}
	defer log.Close()
	ready, tell, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("starting the embedded cluster: %w", err)
	}
	defer ready.Close()

	cmd := exec.Command(p.machine, slices.Concat([]string{"serve", "-dir", c.Folder(), "-audit-policy", policy, "-image", labimage.Ref + "=" + image, "-sandbox", p.agent}, authentication)...)
	cmd.Stderr, cmd.ExtraFiles = log, []*os.File{tell}
	cmd.Dir = c.Folder()
	process.Apart(cmd)
	hold, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	tell.Close()
	if err != nil {
		return next.Errorf("make doctor", "starting the embedded cluster: %w", err)
	}
	defer hold.Close()
	return c.await(ctx, cmd, ready)
}

// await waits for the word "ready", which a line for the user may follow, the
// process's end, or the bound.
func (c *Cluster) await(ctx context.Context, cmd *exec.Cmd, ready io.Reader) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("it was not ready within %s", startLimit))
	defer cancel()
	word := make(chan string, 1)
	go func() {
		said, _ := io.ReadAll(ready) // it ends with the process at the latest
		word <- strings.TrimSpace(string(said))
	}()
	select {
	case said := <-word:
		if said, notice, _ := strings.Cut(said, "\n"); said == "ready" {
			if notice != "" {
				c.Announce("%s", notice)
			}
			return cmd.Process.Release()
		}
		err := cmd.Wait()
		return next.Errorf("make doctor", "starting the embedded cluster: its process ended: %w: %s", err, c.lastWords())
	case <-ctx.Done():
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return next.Errorf("make doctor", "starting the embedded cluster: %w: %s", context.Cause(ctx), c.lastWords())
	}
}

// lastWords is the last line of the machine's log.
func (c *Cluster) lastWords() string {
	text, _ := os.ReadFile(filepath.Join(c.Folder(), machineLog))
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return lines[len(lines)-1]
}

// alive reports whether the machine is running: nothing else holds its lock.
func (c *Cluster) alive() bool {
	if _, err := os.Stat(c.lock()); err != nil {
		return false
	}
	lock := flock.New(c.lock())
	free, err := lock.TryRLock()
	if free {
		_ = lock.Unlock()
	}
	return err == nil && !free
}

func (c *Cluster) lock() string { return filepath.Join(c.Folder(), lockFile) }

// lockedBy is the process that the lock names, whether it runs or not.
func (c *Cluster) lockedBy() (pid int, err error) {
	text, err := os.ReadFile(c.lock())
	if err != nil {
		return 0, err
	}
	if pid, err = strconv.Atoi(strings.TrimSpace(string(text))); err != nil {
		return 0, fmt.Errorf("its lock names no process: %w", err)
	}
	return pid, nil
}

// stop ends the machine, in order if it will, and waits until it has ended.
func (c *Cluster) stop(ctx context.Context) error {
	for _, end := range []struct {
		signal syscall.Signal
		limit  time.Duration
	}{{syscall.SIGTERM, stopLimit}, {syscall.SIGKILL, killLimit}} {
		if !c.alive() {
			return nil
		}
		pid, err := c.lockedBy()
		if err != nil {
			return fmt.Errorf("ending the embedded cluster: %w", err)
		}
		process, err := os.FindProcess(pid)
		if err == nil {
			err = process.Signal(end.signal)
		}
		if err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("ending the embedded cluster's process %d: %w", pid, err)
		}
		err = wait.PollUntilContextTimeout(ctx, pollEvery, end.limit, true, func(context.Context) (bool, error) { return !c.alive(), nil })
		if ctx.Err() != nil {
			return fmt.Errorf("ending the embedded cluster: %w", ctx.Err())
		}
		if err == nil {
			return nil
		}
	}
	return next.Errorf("make doctor", "ending the embedded cluster: its process has not ended %s after it was killed", killLimit)
}

// cgroupPatterns match the machine's pods' cgroups.
func (c *Cluster) cgroupPatterns() []string {
	text, _ := os.ReadFile(filepath.Join(c.Folder(), cgroups)) // without it there are none
	return strings.FieldsFunc(string(text), func(r rune) bool { return r == '\n' })
}

// removeCgroups removes the cgroups of pods whose machine has ended, and ends
// what is left in them. The kernel refuses for one that is in use.
func (c *Cluster) removeCgroups(ctx context.Context) error {
	var folders []string
	for _, pattern := range c.cgroupPatterns() {
		left, _ := filepath.Glob(pattern)
		for _, group := range left {
			_ = filepath.WalkDir(group, func(path string, entry fs.DirEntry, err error) error {
				if err == nil && entry.IsDir() {
					folders = append(folders, path)
				}
				return nil
			})
		}
	}
	var refused error
	err := wait.PollUntilContextTimeout(ctx, pollEvery, killLimit, true, func(context.Context) (bool, error) {
		refused = nil
		for _, folder := range slices.Backward(folders) {
			if err := os.Remove(folder); err != nil && !errors.Is(err, fs.ErrNotExist) {
				killAll(folder)
				refused = err
			}
		}
		return refused == nil, nil
	})
	if err != nil {
		return next.Errorf("make down", "removing what the cluster's pods left, for %s: %w", killLimit, cmp.Or(refused, err))
	}
	return nil
}

// killAll kills the processes in a cgroup.
func killAll(folder string) {
	procs, _ := os.ReadFile(filepath.Join(folder, "cgroup.procs"))
	for pid := range strings.FieldsSeq(string(procs)) {
		if pid, err := strconv.Atoi(pid); err == nil && pid > 0 {
			if process, err := os.FindProcess(pid); err == nil {
				_ = process.Kill() // it may have ended
			}
		}
	}
}
