// Package embedded brings up a lab cluster in seconds on Linux, without a
// container engine and without root: the control plane's own programs in one
// process, and a node that runs pods as isolated processes. All of it is
// compiled here, once, from upstream modules and the sources in _machine.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"rolecall/harness/cluster"
	"rolecall/harness/cluster/labimage"
	"rolecall/harness/cluster/place"
	"rolecall/harness/inventory"
	"rolecall/harness/progress"
)

// Cluster is an embedded cluster of ours. Its folder holds all that it writes;
// its process, the machine, runs until Down.
type Cluster struct {
	Name    string            // cluster.DefaultName if empty
	Home    string            // rolecall's folder
	Display *progress.Display // shows what takes long; may be nil
	Say     func(string)      // tells decisions in one line each; may be nil

	config *rest.Config
}

func (c *Cluster) name() string {
	if c.Name == "" {
		return cluster.DefaultName
	}
	return c.Name
}

func (c *Cluster) folder() string { return filepath.Join(c.Home, "embedded", c.name()) }

func (c *Cluster) say(format string, args ...any) {
	if c.Say != nil {
		c.Say(fmt.Sprintf(format, args...))
	}
}

// Kubeconfig is the path of the cluster's private kubeconfig.
func (c *Cluster) Kubeconfig() string { return filepath.Join(c.folder(), "kubeconfig") }

// Config is how to reach the cluster as its administrator.
func (c *Cluster) Config() *rest.Config { return c.config }

// Namespaces are those of a cluster that is ours alone.
func (c *Cluster) Namespaces() cluster.Namespaces { return cluster.Ours }

// Baseline are the objects of the cluster when it was new.
func (c *Cluster) Baseline() ([]inventory.Object, error) { return inventory.Baseline(c.folder()) }

// Exists tells whether anything of the cluster is there.
func (c *Cluster) Exists() bool {
	_, err := os.Stat(c.folder())
	return err == nil
}

// Running tells whether the cluster can be used as it is.
func (c *Cluster) Running(ctx context.Context) bool { return c.reuse(ctx) == "" }

// Up reuses a running cluster of the same making, and otherwise starts a new
// one in the place of what is left of an old one.
func (c *Cluster) Up(ctx context.Context) error {
	stale := c.reuse(ctx)
	if stale == "" {
		return nil
	}
	if _, err := Possible(); err != nil {
		return err
	}
	if c.Exists() {
		c.say("replacing the embedded cluster %s: %s", c.name(), stale)
		if err := c.Down(ctx); err != nil {
			return err
		}
	}
	if err := c.start(ctx); err != nil {
		return errors.Join(err, c.Down(context.WithoutCancel(ctx)))
	}
	return nil
}

// start makes a cluster where there is none. What it leaves after an error is
// for Down.
func (c *Cluster) start(ctx context.Context) (err error) {
	programs, err := compile(ctx, c.Home, c.Display)
	if err != nil {
		return err
	}
	image, err := labimage.Archive(ctx, c.Home, runtime.GOARCH, c.Display)
	if err != nil {
		return err
	}
	task := c.Display.Begin("starting the embedded cluster "+c.name(), 4*time.Second)
	defer func() { task.End(err) }()
	if err = c.launch(ctx, programs, image); err != nil {
		return err
	}
	if err = c.connect(); err != nil {
		return err
	}
	if err = place.Make(ctx, c.config, c.Namespaces()); err != nil {
		return err
	}
	task.Update("waiting for the first call from a pod")
	if err = place.AwaitCalls(ctx, c.config); err != nil {
		return err
	}
	if err = inventory.SaveBaseline(ctx, c.config, c.folder()); err != nil {
		return err
	}
	return c.complete()
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

// Down ends the cluster's process, and with it all its pods, and deletes its
// folder.
func (c *Cluster) Down(ctx context.Context) error {
	if err := c.stop(ctx); err != nil {
		return err
	}
	if err := c.removeCgroups(); err != nil {
		return fmt.Errorf("removing what the cluster's pods left: %w; type make down again", err)
	}
	if err := os.RemoveAll(c.folder()); err != nil {
		return fmt.Errorf("deleting the cluster's folder: %w", err)
	}
	c.config = nil
	return nil
}

// Status tells in a line what stands under the cluster's name.
func (c *Cluster) Status(ctx context.Context) (string, error) {
	stale := c.reuse(ctx)
	switch {
	case stale == "":
		return fmt.Sprintf("the embedded cluster %s is up; kubeconfig: %s", c.name(), c.Kubeconfig()), nil
	case c.Exists():
		return fmt.Sprintf("the embedded cluster %s cannot be used: %s; make up replaces it", c.name(), stale), nil
	}
	return "no embedded cluster; make up CLUSTER=embedded starts one", nil
}

// Logs copies the process's own log and the audit log into dir.
func (c *Cluster) Logs(_ context.Context, dir string) error {
	for _, name := range []string{machineLog, auditLog} {
		text, err := os.ReadFile(filepath.Join(c.folder(), name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), text, 0o600)
		}
		if err != nil {
			return fmt.Errorf("collecting the cluster's logs: %w", err)
		}
	}
	return nil
}
