// Package owned is what all clusters that rolecall creates have in common: a
// folder with a private kubeconfig, a record of what the cluster was created
// from, and the list of what it held when it was new.
package owned

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/google/renameio/v2/maybe"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"rolecall/harness/cluster"
	"rolecall/harness/cluster/internal/scene"
	"rolecall/harness/inventory"
	"rolecall/harness/next"
	"rolecall/manifests"
)

// Cluster is the common part of our clusters.
type Cluster struct {
	cluster.Options

	provider, name string
	config         *rest.Config
	seen           os.FileInfo // of the record, when the cluster was last found running
}

// New returns the common part of a provider's cluster of that name.
func New(o cluster.Options, provider, name string) Cluster {
	return Cluster{Options: o, provider: provider, name: name}
}

// Provider is the name of the cluster's provider.
func (c *Cluster) Provider() string { return c.provider }

// Name is the cluster's name.
func (c *Cluster) Name() string { return c.name }

// Folder is where the cluster keeps what it writes.
func (c *Cluster) Folder() string { return cluster.Folder(c.Home, c.provider, c.name) }

// Kubeconfig is the path of the cluster's private kubeconfig.
func (c *Cluster) Kubeconfig() string { return filepath.Join(c.Folder(), "kubeconfig") }

// Config is how to reach the cluster as its administrator.
func (c *Cluster) Config() *rest.Config { return c.config }

// Namespaces are the scene's, under their own names.
func (c *Cluster) Namespaces() cluster.Namespaces { return c.Scene.Namespaces }

// Exists reports whether the cluster's folder is there, and so perhaps more.
func (c *Cluster) Exists() bool {
	_, err := os.Stat(c.Folder())
	return err == nil
}

// Leave changes nothing: the cluster stays for the next run.
func (c *Cluster) Leave(context.Context) error { return nil }

// WriteKubeconfig copies the cluster's private kubeconfig.
func (c *Cluster) WriteKubeconfig(_ context.Context, file string) error {
	text, err := os.ReadFile(c.Kubeconfig())
	if err == nil {
		err = maybe.WriteFile(file, text, 0o600)
	}
	if err != nil {
		return fmt.Errorf("writing a kubeconfig: %w", err)
	}
	return nil
}

// Baseline returns the objects that the cluster held when it was new.
func (c *Cluster) Baseline() ([]inventory.Object, error) { return inventory.Baseline(c.Folder()) }

// Reset brings the cluster back to what it was when new.
func (c *Cluster) Reset(ctx context.Context, tell func(inventory.Object)) error {
	baseline, err := c.Baseline()
	if err != nil {
		return err
	}
	return scene.Reset(ctx, c.config, c.all(), baseline, tell)
}

// Renew brings the cluster back to what it was when new. Tokens that were issued
// before are of accounts that are no more.
func (c *Cluster) Renew(ctx context.Context, _ int) error {
	if err := scene.RenewAccounts(ctx, c.config, c.Namespaces()); err != nil {
		return err
	}
	return c.Reset(ctx, nil)
}

// handedOn holds how many runs the cluster has served, while none uses it.
const handedOn = "handed-on"

// HandOn says that the cluster may serve another run.
func (c *Cluster) HandOn(served int) error {
	if err := maybe.WriteFile(filepath.Join(c.Folder(), handedOn), []byte(strconv.Itoa(served)), 0o600); err != nil {
		return next.Errorf("free some disk space", "handing the cluster on: %w", err)
	}
	return nil
}

// TakeOver ends that.
func (c *Cluster) TakeOver() (served int, ok bool) {
	file := filepath.Join(c.Folder(), handedOn)
	text, err := os.ReadFile(file)
	if err == nil {
		err = os.Remove(file)
	}
	if err == nil {
		served, err = strconv.Atoi(string(text))
	}
	return served, err == nil
}

// Connect reads the private kubeconfig.
func (c *Cluster) Connect() error {
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig())
	if err != nil {
		return next.Errorf("make down, then make up", "reading the cluster's kubeconfig: %w", err)
	}
	config.QPS = -1 // the cluster is our own, and a lab asks it hundreds of small questions at once
	c.config = config
	return nil
}

// all is the course's scene, and what an issuer needs of a cluster of ours.
func (c *Cluster) all() cluster.Scene {
	all := c.Scene
	all.Objects += "\n---\n" + manifests.Issuer
	return all
}

// Settle makes the scene in a new cluster, waits until calls from a pod reach
// the API server, and keeps the list of what the cluster holds. tell hears what
// is being done.
func (c *Cluster) Settle(ctx context.Context, tell func(string)) error {
	if err := c.Connect(); err != nil {
		return err
	}
	tell("making the labs' namespaces")
	if err := scene.Set(ctx, c.config, c.all().Objects, c.Namespaces()); err != nil {
		return err
	}
	if err := scene.AwaitKind(ctx, c.config, "documents.issuer.rolecall.local"); err != nil {
		return err
	}
	tell("waiting for the first call from a pod")
	if err := scene.AwaitCalls(ctx, c.config, c.Namespaces().Home(), c.Scene.Image); err != nil {
		return err
	}
	return inventory.SaveBaseline(ctx, c.config, c.Folder())
}

// recordFile holds the record, from the moment that the cluster is complete.
const recordFile = "record"

// Record returns what the cluster was created from. There is none if it was
// never completed.
func (c *Cluster) Record() ([]byte, error) {
	return os.ReadFile(filepath.Join(c.Folder(), recordFile))
}

// Complete writes the record.
func (c *Cluster) Complete(record []byte) error {
	if err := maybe.WriteFile(filepath.Join(c.Folder(), recordFile), record, 0o600); err != nil {
		return next.Errorf("free some disk space", "recording that the cluster is complete: %w", err)
	}
	return nil
}

// Found remembers that the cluster is running, for the Up that follows.
func (c *Cluster) Found() {
	c.seen, _ = os.Stat(filepath.Join(c.Folder(), recordFile)) // a record that is gone by now is not remembered
}

// StillThere reports, once, whether the cluster was found running and no other
// command has deleted or replaced it since.
func (c *Cluster) StillThere() bool {
	seen := c.seen
	c.seen = nil
	now, err := os.Stat(filepath.Join(c.Folder(), recordFile))
	return seen != nil && err == nil && os.SameFile(seen, now) && seen.ModTime().Equal(now.ModTime())
}

// Delete deletes the cluster's folder.
func (c *Cluster) Delete() error {
	c.config, c.seen = nil, nil
	if err := os.RemoveAll(c.Folder()); err != nil {
		return fmt.Errorf("deleting the cluster's folder: %w", err)
	}
	return nil
}

// Abandon ends a cluster that could not be brought up, for what reason. After
// an interruption that is the reason, whatever broke because of it.
func Abandon(ctx context.Context, c cluster.Owned, reason error) error {
	if ctx.Err() != nil {
		reason = context.Cause(ctx)
	}
	if err := c.Down(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("%w (and then: %w)", reason, err)
	}
	return reason
}
