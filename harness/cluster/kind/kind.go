// Package kind brings up a lab cluster of one node with sigs.k8s.io/kind as a
// library: it needs a container engine and no kind or kubectl command.
package kind

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	kindcluster "sigs.k8s.io/kind/pkg/cluster"
	"sigs.k8s.io/kind/pkg/cluster/nodeutils"

	"rolecall/harness/cluster"
	"rolecall/harness/cluster/engine"
	"rolecall/harness/cluster/kind/nodeimage"
	"rolecall/harness/cluster/labimage"
	"rolecall/harness/cluster/place"
	"rolecall/harness/progress"
)

// Cluster is a kind cluster of ours. Its folder holds a private kubeconfig and
// what we know of it; the user's own kubeconfig is neither read nor changed.
type Cluster struct {
	Name    string            // cluster.DefaultName if empty
	Home    string            // rolecall's folder, for images and clusters
	Display *progress.Display // shows what takes long; may be nil
	Say     func(string)      // tells decisions in one line each; may be nil

	engine *engine.Engine
	config *rest.Config
}

func (c *Cluster) name() string {
	if c.Name == "" {
		return cluster.DefaultName
	}
	return c.Name
}

func (c *Cluster) node() string   { return c.name() + "-control-plane" }
func (c *Cluster) folder() string { return filepath.Join(c.Home, "clusters", c.name()) }

// shared is the part of the folder that the node sees.
func (c *Cluster) shared() string { return filepath.Join(c.folder(), "node") }

// Kubeconfig is the path of the cluster's private kubeconfig.
func (c *Cluster) Kubeconfig() string { return filepath.Join(c.folder(), "kubeconfig") }

func (c *Cluster) say(format string, args ...any) {
	if c.Say != nil {
		c.Say(fmt.Sprintf(format, args...))
	}
}

// Exists tells whether the cluster's folder is there, and so perhaps its node.
func (c *Cluster) Exists() bool {
	_, err := os.Stat(c.folder())
	return err == nil
}

// Running tells whether the cluster can be used as it is.
func (c *Cluster) Running(ctx context.Context) bool {
	stale, err := c.reuse(ctx)
	return stale == "" && err == nil
}

// Config is how to reach the cluster as its administrator.
func (c *Cluster) Config() *rest.Config { return c.config }

// Namespaces are those of a cluster that is ours alone.
func (c *Cluster) Namespaces() cluster.Namespaces { return cluster.Ours }

// Up reuses a running cluster of the same making, replaces one of another
// making, and otherwise creates one.
func (c *Cluster) Up(ctx context.Context) error {
	stale, err := c.reuse(ctx)
	if err == nil && stale == "" {
		return nil
	}
	if err != nil {
		return err
	}
	if c.engine, err = engine.Detect(ctx); err != nil {
		return err
	}
	switch state, err := c.find(ctx); {
	case err != nil:
		return err
	case state == foreign:
		return fmt.Errorf("creating the cluster %s: one of that name exists and is not ours; delete it with kind delete cluster --name %s, or choose another name with NAME=other", c.name(), c.name())
	case state != absent && c.wake(ctx, state) == nil:
		return nil
	case state != absent:
		c.say("replacing the cluster %s: %s", c.name(), stale)
		if err := c.Down(ctx); err != nil {
			return err
		}
	}
	if err := c.create(ctx); err != nil {
		return errors.Join(err, c.Down(context.WithoutCancel(ctx)))
	}
	return nil
}

// create makes a cluster where there is none. What it leaves after an error is
// for Down.
func (c *Cluster) create(ctx context.Context) error {
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
	c.say("creating a kind cluster in %s %s, from the node image %s", c.engine.Name, info.Version, image)
	made := making{Engine: c.engine, NodeImage: image, Cgroup: info.Cgroup, Kind: c.name()}
	config, err := made.write(c.shared())
	if err != nil {
		return err
	}

	task := c.Display.Begin("creating the kind cluster "+c.name(), 20*time.Second)
	defer func() { task.End(err) }()
	if err = c.kindCreate(ctx, config, task); err != nil {
		return err
	}
	task.Update("loading the lab image")
	if err = c.LoadImage(ctx, archive); err != nil {
		return err
	}
	if err = c.connect(); err != nil {
		return err
	}
	task.Update("making the lab's namespaces")
	if err = place.Make(ctx, c.config, c.Namespaces()); err != nil {
		return err
	}
	task.Update("waiting for the first call from a pod")
	if err = place.AwaitCalls(ctx, c.config); err != nil {
		return err
	}
	return made.done(ctx, c.folder(), c.config)
}

// connect reads the private kubeconfig.
func (c *Cluster) connect() error {
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig())
	if err != nil {
		return fmt.Errorf("reading the cluster's kubeconfig: %w; type make down, then make up", err)
	}
	config.QPS = -1 // it is a cluster of our own, and a lab asks it hundreds of small questions at once
	c.config = config
	return nil
}

// LoadImage puts an image archive into the node.
func (c *Cluster) LoadImage(_ context.Context, archive string) error {
	nodes, err := c.provider(nil).ListInternalNodes(c.name())
	if err != nil {
		return fmt.Errorf("finding the cluster's node: %w; type make status", err)
	}
	for _, node := range nodes {
		file, err := os.Open(archive)
		if err != nil {
			return fmt.Errorf("loading an image: %w", err)
		}
		err = nodeutils.LoadImageArchive(node, file)
		file.Close()
		if err != nil {
			return fmt.Errorf("loading the image archive %s: %w; type make down, then make up", filepath.Base(archive), err)
		}
	}
	return nil
}

// Logs collects the node's logs into dir.
func (c *Cluster) Logs(ctx context.Context, dir string) error {
	if err := c.detect(ctx); err != nil {
		return err
	}
	if err := c.provider(nil).CollectLogs(c.name(), dir); err != nil {
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
		return fmt.Errorf("deleting the cluster %s: it is not ours; type kind delete cluster --name %s if you mean it", c.name(), c.name())
	}
	if state != absent {
		if err := c.provider(nil).Delete(c.name(), c.Kubeconfig()); err != nil {
			return fmt.Errorf("deleting the cluster %s: %w; is the container engine running? type make doctor", c.name(), err)
		}
	}
	if err := os.RemoveAll(c.folder()); err != nil {
		return fmt.Errorf("deleting the cluster's folder: %w", err)
	}
	c.config = nil
	return nil
}

func (c *Cluster) detect(ctx context.Context) (err error) {
	if c.engine != nil {
		return nil
	}
	if m := readMaking(c.folder()); m.Engine != nil { // asking for it takes longer than all the rest
		c.engine = m.Engine
		return nil
	}
	c.engine, err = engine.Detect(ctx)
	return err
}

func (c *Cluster) provider(task *progress.Task) *kindcluster.Provider {
	return kindcluster.NewProvider(c.engine.ProviderOption(), kindcluster.ProviderWithLogger(logger{task}))
}
