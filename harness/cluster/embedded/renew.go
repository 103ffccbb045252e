package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2/maybe"
	"k8s.io/apimachinery/pkg/util/wait"

	"rolecall/harness/cluster/internal/scene"
	"rolecall/harness/inventory"
	"rolecall/harness/next"
	"rolecall/harness/process"
)

const (
	processes = "processes" // those of the new cluster: its own, and none of a pod
	forgot    = "forgot"    // from the machine, when asked: it has forgotten what its objects were
	odd       = "odd"       // from the machine: what happened in it after which it is not used again, a line each
)

const (
	forgetLimit = 10 * time.Second // the longest that forgetting may take
	podsGo      = 10 * time.Second // the longest that what is left of a deleted pod may stay
	mostRuns    = 25               // after which a machine is replaced, so that nothing in it can grow for long
	mostAudit   = 16 << 20         // bytes of its audit log
)

// Renew proves that nothing is left of the last run: in the machine, no
// process, control group, mount or file of a pod; in the API, no object more,
// none less and none changed since the cluster was new, and no event and no
// earlier version of anything. Only the accounts
// default are others then, and no token that was issued before works. Nothing is
// repaired: whatever differs is an error, and the cluster is to be replaced.
func (c *Cluster) Renew(ctx context.Context, served int) error {
	if served >= mostRuns {
		return fmt.Errorf("it has served %d submissions", served)
	}
	if weaker, err := Possible(); err != nil || weaker != "" {
		return errors.New("its pods have no namespaces of their own, so nothing proves that they left nothing")
	}
	if err := c.RestoreAuthentication(ctx); err != nil {
		return err
	}
	if err := c.podsGone(ctx); err != nil {
		return err
	}
	if err := c.ordinary(); err != nil { // the machine has noted by now what it found as it removed them
		return err
	}
	versions, err := inventory.Versions(c.Folder())
	if err != nil {
		return err
	}
	if err := scene.RenewAccounts(ctx, c.Config(), c.Namespaces()); err != nil {
		return err
	}
	if err := c.forget(ctx); err != nil {
		return err
	}
	now, err := inventory.Take(ctx, c.Config())
	if err != nil {
		return err
	}
	return asNew(versions, now, c.Namespaces().Names())
}

// forget has the machine forget what its objects were, and those that are gone: a
// program that may list or watch a kind could ask for them.
func (c *Cluster) forget(ctx context.Context) error {
	file := filepath.Join(c.Folder(), forgot)
	err := os.Remove(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	machine, err := os.FindProcess(c.PID())
	if err == nil {
		err = machine.Signal(forgets)
	}
	if err != nil {
		return fmt.Errorf("asking it to forget what its objects were: %w", err)
	}
	err = wait.PollUntilContextTimeout(ctx, pollEvery, forgetLimit, true, func(context.Context) (bool, error) {
		_, err := os.Stat(file)
		return err == nil, nil
	})
	if wait.Interrupted(err) && ctx.Err() == nil {
		return fmt.Errorf("it has not forgotten what its objects were after %s", forgetLimit)
	}
	return err
}

// asNew compares what a cluster holds with what it held when it was new, but for
// the accounts default of some namespaces, which are there again.
func asNew(versions map[inventory.Object]string, now inventory.Inventory, renewed []string) error {
	account := func(o inventory.Object) bool {
		return o.Resource.Resource == "serviceaccounts" && o.Name == "default" && slices.Contains(renewed, o.Namespace)
	}
	known := slices.Collect(maps.Keys(versions))
	if extra := inventory.Extra(known, now); len(extra) > 0 {
		return fmt.Errorf("it holds %s, which a new one does not", extra[0])
	}
	if lost := inventory.Lost(known, now); len(lost) > 0 {
		return fmt.Errorf("%s is gone, which a new one has", lost[0])
	}
	if altered := slices.DeleteFunc(inventory.Altered(versions, now), account); len(altered) > 0 {
		return fmt.Errorf("%s is not as it was when the cluster was new", altered[0])
	}
	return nil
}

// ordinary looks for what makes a machine one that is not used again.
func (c *Cluster) ordinary() error {
	switch text, err := os.ReadFile(filepath.Join(c.Folder(), odd)); {
	case err == nil:
		first, _, _ := strings.Cut(string(text), "\n")
		return errors.New(first)
	case !errors.Is(err, os.ErrNotExist):
		return err
	}
	log, err := os.Stat(filepath.Join(c.Folder(), auditLog))
	switch {
	case err != nil:
		return err
	case log.Size() > mostAudit:
		return fmt.Errorf("its audit log has %d MiB", log.Size()>>20)
	}
	return nil
}

// podsGone waits until nothing of a pod is left outside the API.
func (c *Cluster) podsGone(ctx context.Context) error {
	var left error
	err := wait.PollUntilContextTimeout(ctx, pollEvery, podsGo, true, func(context.Context) (bool, error) {
		left = errors.Join(c.processesLeft(), c.cgroupsLeft(), c.mountsLeft(), c.filesLeft())
		return left == nil, nil
	})
	if wait.Interrupted(err) && ctx.Err() == nil {
		return left
	}
	return err
}

// PID is the number of the machine's process, 0 if it is not running.
func (c *Cluster) PID() int {
	if !c.alive() {
		return 0
	}
	pid, _ := c.lockedBy() // 0 where it names none
	return pid
}

// recordProcesses writes down which processes the new cluster has.
func (c *Cluster) recordProcesses() error {
	family, _ := process.Family(c.PID())
	text, err := json.Marshal(family)
	if err == nil {
		err = maybe.WriteFile(filepath.Join(c.Folder(), processes), text, 0o600)
	}
	if err != nil {
		return next.Errorf("free some disk space", "recording the new cluster's processes: %w", err)
	}
	return nil
}

func (c *Cluster) processesLeft() error {
	text, err := os.ReadFile(filepath.Join(c.Folder(), processes))
	var known []process.Relative
	if err == nil {
		err = json.Unmarshal(text, &known)
	}
	if err != nil {
		return err
	}
	pid := c.PID()
	if pid == 0 {
		return errors.New("its process has ended")
	}
	family, _ := process.Family(pid)
	if slices.ContainsFunc(family, func(r process.Relative) bool { return !slices.Contains(known, r) }) {
		return errors.New("a process of a pod is left")
	}
	if !slices.ContainsFunc(known, func(r process.Relative) bool { return r.PID == pid && slices.Contains(family, r) }) {
		return errors.New("its process is another one")
	}
	return nil
}

func (c *Cluster) cgroupsLeft() error {
	for _, pattern := range c.cgroupPatterns() {
		if left, err := filepath.Glob(pattern); err != nil || len(left) > 0 {
			return errors.Join(err, errors.New("a control group of a pod is left"))
		}
	}
	return nil
}

// mountsLeft looks for mounts that the machine sees; a pod's own are in its
// namespace and go with its last process.
func (c *Cluster) mountsLeft() error {
	mounts, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", c.PID()))
	if err == nil && strings.Contains(string(mounts), " "+c.Folder()+"/") {
		err = errors.New("a mount of a pod is left")
	}
	return err
}

// filesLeft looks for files that a new cluster does not have. A pod's folder is
// that of its logs, the last that goes.
func (c *Cluster) filesLeft() error {
	left, err := os.ReadDir(filepath.Join(c.Folder(), "pods"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil && len(left) > 0 {
		err = errors.New("a file of a pod is left")
	}
	return err
}
