package kind

import (
	"context"
	"errors"
	"fmt"

	"rolecall/harness/cluster"
	"rolecall/harness/cluster/internal/debian"
	"rolecall/harness/cluster/internal/engine"
	"rolecall/harness/cluster/internal/labimage"
	"rolecall/harness/cluster/internal/nodeimage"
	"rolecall/harness/cluster/internal/owned"
)

const provider = "kind"

// Provider creates clusters with sigs.k8s.io/kind.
type Provider struct{ cluster.Options }

// Name is the provider's name.
func (Provider) Name() string { return provider }

// Cluster returns the kind cluster of that name.
func (p Provider) Cluster(name string) cluster.Cluster {
	return &Cluster{Cluster: owned.New(p.Options, provider, name)}
}

// Quick is false: a node takes half a minute.
func (Provider) Quick() bool { return false }

// Available reports why no kind cluster can be created here right away. The
// error is cluster.ErrMustBuild where all that is missing is the node image.
func (p Provider) Available(ctx context.Context) error {
	container, err := engine.Detect(ctx)
	var silent *engine.NotAnsweringError
	switch {
	case errors.Is(err, engine.ErrNone):
		return errors.New("no container engine is installed")
	case errors.As(err, &silent):
		return fmt.Errorf("the container engine %s does not answer", silent.Engine)
	case err != nil:
		return err
	}
	if err := container.TryPrivileged(ctx); err != nil {
		return fmt.Errorf("%s cannot start a privileged container, which kind's node is", container.Command)
	}
	if err := nodeimage.Available(ctx, container, p.Display); err != nil {
		return cluster.ErrMustBuild
	}
	return nil
}

// Clean deletes the node images that were built here and what they were built
// from, and the lab image.
func (p Provider) Clean(ctx context.Context) error {
	container, err := engine.Detect(ctx)
	if err == nil {
		err = nodeimage.Remove(ctx, container)
	}
	if errors.Is(err, engine.ErrNone) { // nothing was built in it
		err = nil
	}
	return errors.Join(err, cluster.Delete(p.Home, nodeimage.Folder, labimage.Folder, debian.Folder))
}
