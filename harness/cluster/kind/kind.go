// Package kind creates a cluster of one node with sigs.k8s.io/kind as a
// library: it needs a container engine and no kind or kubectl command.
package kind

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	kindcluster "sigs.k8s.io/kind/pkg/cluster"
	"sigs.k8s.io/kind/pkg/cluster/nodeutils"

	"rolecall/harness/cluster/internal/engine"
	"rolecall/harness/cluster/internal/labimage"
	"rolecall/harness/cluster/internal/nodeimage"
	"rolecall/harness/cluster/internal/owned"
	"rolecall/harness/next"
	"rolecall/harness/progress"
)

// Cluster is one of our kind clusters. The user's own kubeconfig is neither
// read nor changed.
type Cluster struct {
	owned.Cluster

	engine *engine.Engine
}

func (c *Cluster) node() string { return c.Name() + "-control-plane" }

// shared is the part of the folder that the node sees.
func (c *Cluster) shared() string { return filepath.Join(c.Folder(), "node") }

// Running reports whether the cluster can be used as it is.
func (c *Cluster) Running(ctx context.Context) bool {
	if c.unusable(ctx) != "" {
		return false
	}
	c.Found()
	return true
}

// Up reuses a running cluster of the same record, replaces one of another, and
// otherwise creates one.
func (c *Cluster) Up(ctx context.Context) (err error) {
	if c.StillThere() {
		return nil
	}
	stale := c.unusable(ctx)
	if stale == "" {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if c.engine, err = engine.Detect(ctx); err != nil {
		return err
	}
	switch state, err := c.find(ctx); {
	case err != nil:
		return err
	case state == foreign:
		return next.Errorf("choose another name with NAME=other", "creating the cluster %s: rolecall did not create the kind cluster of that name, so it leaves it alone", c.Name())
	case state != absent && c.wake(ctx, state) == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case state != absent:
		c.Announce("replacing the cluster %s: %s", c.Name(), stale)
		if err := c.Down(ctx); err != nil {
			return err
		}
	}
	if err := c.create(ctx); err != nil {
		return owned.Abandon(ctx, c, err)
	}
	return nil
}

// create makes a cluster where there is none. What it leaves after an error is
// for Down.
func (c *Cluster) create(ctx context.Context) (err error) {
	info, err := c.engine.Info(ctx)
	if err != nil {
		return err
	}
	image, err := nodeimage.Ensure(ctx, c.engine, c.Home, c.Display)
	if err != nil {
		return err
	}
	archive, err := labimage.Archive(ctx, c.Home, info.Arch, c.Display)
	if err != nil {
		return err
	}
	c.Announce("creating a kind cluster in %s %s, from the node image %s", c.engine.Name, info.Version, image)
	r := record{Engine: c.engine, NodeImage: image, Cgroup: info.Cgroup, Name: c.Name()}
	config, err := r.write(c.shared())
	if err != nil {
		return err
	}

	task := c.Display.Begin("creating the kind cluster "+c.Name(), 20*time.Second)
	defer func() { task.End(err) }()
	if err := c.kindCreate(ctx, config, task); err != nil {
		return err
	}
	task.Update("loading the lab image")
	if err := c.loadImage(archive); err != nil {
		return err
	}
	if err := c.Settle(ctx, task.Update); err != nil {
		return err
	}
	return c.complete(r)
}

// loadImage puts an image archive into the node.
func (c *Cluster) loadImage(archive string) error {
	nodes, err := c.provider(nil).ListInternalNodes(c.Name())
	if err != nil {
		return next.Errorf("make status", "finding the cluster's node: %w", err)
	}
	for _, node := range nodes {
		file, err := os.Open(archive)
		if err != nil {
			return fmt.Errorf("loading an image: %w", err)
		}
		err = nodeutils.LoadImageArchive(node, file)
		file.Close()
		if err != nil {
			return next.Errorf("make down, then make up", "loading the image archive %s: %w", filepath.Base(archive), err)
		}
	}
	return nil
}

// Logs collects the node's logs into dir.
func (c *Cluster) Logs(ctx context.Context, dir string) error {
	if err := c.detect(ctx); err != nil {
		return err
	}
	if err := c.provider(nil).CollectLogs(c.Name(), dir); err != nil {
		return fmt.Errorf("collecting the cluster's logs: %w", err)
	}
	return nil
}

// Down deletes the cluster and its folder. Images stay. A cluster that is not
// ours is left alone.
func (c *Cluster) Down(ctx context.Context) error {
	if err := c.detect(ctx); err != nil {
		return err
	}
	state, err := c.find(ctx)
	if err != nil {
		return err
	}
	if state == foreign {
		return next.Errorf("kind delete cluster --name "+c.Name(), "deleting the cluster %s: rolecall did not create the kind cluster of that name, so it leaves it alone", c.Name())
	}
	if state != absent {
		if err := c.provider(nil).Delete(c.Name(), c.Kubeconfig()); err != nil {
			return next.Errorf("make doctor", "deleting the cluster %s: %w", c.Name(), err)
		}
	}
	return c.Delete()
}

func (c *Cluster) detect(ctx context.Context) (err error) {
	if c.engine != nil {
		return nil
	}
	if r := c.record(); r.Engine != nil { // asking for it takes longer than all the rest
		c.engine = r.Engine
		return nil
	}
	c.engine, err = engine.Detect(ctx)
	return err
}

func (c *Cluster) provider(task *progress.Task) *kindcluster.Provider {
	return kindcluster.NewProvider(c.engine.ProviderOption(), kindcluster.ProviderWithLogger(logger{task}))
}
