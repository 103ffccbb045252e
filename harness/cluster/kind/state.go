package kind

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"rolecall/harness/cluster/internal/scene"
	"rolecall/harness/next"
)

// state is what there is under our cluster's name.
type state int

const (
	absent  state = iota
	running       // ours
	stopped       // ours, its container is not running
	foreign       // somebody else's
)

// unusable connects to a complete cluster that was created from the same,
// without asking the container engine. It returns why there is none, or "".
func (c *Cluster) unusable(ctx context.Context) string {
	r := c.record()
	switch {
	case r.Fingerprint == "":
		return "it was never completed"
	case !c.current(r):
		return "it was created by another version of rolecall"
	case c.Connect() != nil:
		return "its kubeconfig is gone"
	case scene.Alive(ctx, c.Config()) != nil:
		return "its API server does not answer"
	}
	return ""
}

// find looks for a cluster of our name. It is ours if its node mounts our
// folder, which it does from the moment its container exists.
func (c *Cluster) find(ctx context.Context) (state, error) {
	clusters, err := c.provider(nil).List()
	if err != nil {
		return absent, next.Errorf("make doctor", "listing kind clusters: %w", err)
	}
	if !slices.Contains(clusters, c.Name()) {
		return absent, nil
	}
	mounts, err := c.inspect(ctx)
	if err != nil {
		return foreign, ctx.Err() // whatever it is, its node is not like ours
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

const (
	pollEvery = 200 * time.Millisecond
	// A container that is being created is listed from the start, but the
	// engine copies its volumes before it can be inspected.
	inspectLimit = 20 * time.Second
	wakeLimit    = time.Minute // for a node that was stopped, paused or asleep
)

// inspect reports whether the node runs, and its mounts, a line each.
func (c *Cluster) inspect(ctx context.Context) (mounts string, err error) {
	timeout := wait.PollUntilContextTimeout(ctx, pollEvery, inspectLimit, true, func(ctx context.Context) (bool, error) {
		mounts, err = c.engine.Output(ctx, "inspect", "--format", "{{.State.Running}}{{range .Mounts}}\n{{.Destination}}={{.Source}}{{end}}", c.node())
		return err == nil, nil
	})
	if err == nil {
		err = timeout
	}
	return mounts, err
}

// isOurs recognizes our folder among a node's mounts. An engine in a
// virtual machine puts something of its own before the path.
func (c *Cluster) isOurs(mount string) bool {
	source, found := strings.CutPrefix(mount, "/etc/rolecall=")
	_, below, ours := strings.Cut(source, filepath.ToSlash(c.Home)+"/")
	return found && ours && strings.HasSuffix(below, "/"+c.Name()+"/node")
}

// wake waits until our node answers again, and starts it if it must. One
// of another record is not worth it.
func (c *Cluster) wake(ctx context.Context, found state) (err error) {
	if !c.current(c.record()) {
		return errors.New("waking the cluster: it was created by another version of rolecall")
	}
	task := c.Display.Begin("waiting for the cluster "+c.Name()+" to answer again", 15*time.Second)
	defer func() { task.End(err) }()
	if found == stopped {
		if _, err := c.engine.Output(ctx, "start", c.node()); err != nil {
			return err
		}
	}
	if err := c.Connect(); err != nil {
		return err
	}
	err = wait.PollUntilContextTimeout(ctx, pollEvery, wakeLimit, true, func(ctx context.Context) (bool, error) {
		return scene.Alive(ctx, c.Config()) == nil, nil
	})
	if err != nil {
		return fmt.Errorf("waking the cluster: its API server does not answer: %w", err)
	}
	return scene.AwaitCalls(ctx, c.Config(), c.Namespaces().Home(), c.Scene.Image)
}

// Status describes in a line what is there under the cluster's name.
func (c *Cluster) Status(ctx context.Context) (string, error) {
	unusable := c.unusable(ctx)
	if unusable == "" {
		return fmt.Sprintf("the kind cluster %s is up; kubeconfig: %s", c.Name(), c.Kubeconfig()), nil
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
		return fmt.Sprintf("there is a kind cluster %s that rolecall did not create", c.Name()), nil
	case stopped:
		return fmt.Sprintf("the kind cluster %s is stopped; make up starts it again", c.Name()), nil
	case running:
		return fmt.Sprintf("the kind cluster %s is running but cannot be used: %s; make up replaces it", c.Name(), unusable), nil
	}
	return fmt.Sprintf("there is no kind cluster %s; make up CLUSTER=kind creates one", c.Name()), nil
}
