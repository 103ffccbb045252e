package kind

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"rolecall/harness/cluster/place"
)

// state is what stands under our cluster's name.
type state int

const (
	absent  state = iota
	running       // ours
	stopped       // ours, its container is not running
	foreign       // somebody else's
)

// reuse connects to a complete cluster of the same making, without asking the
// container engine. Otherwise it says why there is none to reuse.
func (c *Cluster) reuse(ctx context.Context) (stale string, err error) {
	m := readMaking(c.folder())
	switch {
	case m.Fingerprint == "":
		return "it was never completed", nil
	case m.Fingerprint != m.fingerprint():
		return "it was made from other parts than rolecall has now", nil
	}
	if err := c.connect(); err != nil {
		return "its kubeconfig is gone", nil
	}
	if err := place.Alive(ctx, c.config); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "its API server does not answer", nil
	}
	return "", nil
}

// find looks for a cluster of our name. It is ours if its node mounts our
// folder, which is so from the moment its container exists.
func (c *Cluster) find(ctx context.Context) (state, error) {
	clusters, err := c.provider(nil).List()
	if err != nil {
		return absent, fmt.Errorf("listing kind clusters: %w; type make doctor", err)
	}
	if !slices.Contains(clusters, c.name()) {
		return absent, nil
	}
	mounts, err := c.inspect(ctx)
	if err != nil {
		return foreign, nil //nolint:nilerr // no node of our shape: whatever it is, it is not ours
	}
	lines := strings.Split(mounts, "\n")
	switch {
	case !slices.ContainsFunc(lines, c.isOurs):
		return foreign, nil
	case lines[0] != "true":
		return stopped, nil
	}
	return running, nil
}

// appears bounds the wait for a container that is being created. The engine
// lists it from the start, and copies its volumes before it can be inspected.
const appears = 20 * time.Second

// inspect tells whether the node runs, and its mounts, a line each.
func (c *Cluster) inspect(ctx context.Context) (mounts string, err error) {
	for deadline := time.Now().Add(appears); ; time.Sleep(200 * time.Millisecond) {
		mounts, err = c.engine.Output(ctx, "inspect", "--format", "{{.State.Running}}{{range .Mounts}}\n{{.Destination}}={{.Source}}{{end}}", c.node())
		if err == nil || ctx.Err() != nil || time.Now().After(deadline) {
			return mounts, err
		}
	}
}

// isOurs tells our folder among a node's mounts. An engine in a virtual machine
// puts something of its own before the path.
func (c *Cluster) isOurs(mount string) bool {
	source, found := strings.CutPrefix(mount, "/etc/rolecall=")
	return found && strings.HasSuffix(source, filepath.ToSlash(c.shared()))
}

// wakes bounds the wait for a node that was stopped, paused or asleep.
const wakes = time.Minute

// wake waits until a node of ours answers again, and starts it if it must. One
// of another making is not worth it.
func (c *Cluster) wake(ctx context.Context, found state) (err error) {
	m := readMaking(c.folder())
	if m.Fingerprint == "" || m.Fingerprint != m.fingerprint() {
		return fmt.Errorf("waking the cluster: it is of another making")
	}
	task := c.Display.Begin("waiting for the cluster "+c.name()+" to answer again", 15*time.Second)
	defer func() { task.End(err) }()
	if found == stopped {
		if _, err := c.engine.Output(ctx, "start", c.node()); err != nil {
			return err
		}
	}
	if err := c.connect(); err != nil {
		return err
	}
	deadline := time.Now().Add(wakes)
	for {
		if err = place.Alive(ctx, c.config); err == nil {
			return place.AwaitCalls(ctx, c.config)
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// Status tells in a line what stands under the cluster's name.
func (c *Cluster) Status(ctx context.Context) (string, error) {
	if stale, err := c.reuse(ctx); err == nil && stale == "" {
		return fmt.Sprintf("the kind cluster %s is up; kubeconfig: %s", c.name(), c.Kubeconfig()), nil
	}
	if err := c.detect(ctx); err != nil {
		return "", err
	}
	found, err := c.find(ctx)
	if err != nil {
		return "", err
	}
	switch found {
	case foreign:
		return fmt.Sprintf("a kind cluster %s exists, and it is not ours", c.name()), nil
	case stopped:
		return fmt.Sprintf("the kind cluster %s is stopped; make up starts it again", c.name()), nil
	case running:
		stale, _ := c.reuse(ctx)
		return fmt.Sprintf("the kind cluster %s runs but cannot be used: %s; make up replaces it", c.name(), stale), nil
	}
	return "no cluster; make up creates one", nil
}
