package existing

import (
	"context"
	"errors"

	"rolecall/harness/cluster"
)

// Provider leads to clusters that somebody else runs.
type Provider struct {
	cluster.Options
	Kubeconfig string // path; empty for $KUBECONFIG or ~/.kube/config
	Context    string // never guessed: the current one may be a production cluster
}

// Name is the provider's name.
func (Provider) Name() string { return "existing" }

// Cluster returns the cluster of the provider's context, whatever the name.
func (p Provider) Cluster(string) cluster.Cluster { return &Cluster{provider: p} }

// Quick is false: none is created.
func (Provider) Quick() bool { return false }

// Available reports that such a cluster must be named.
func (p Provider) Available(context.Context) error {
	if p.Context == "" {
		return errors.New("no context is named")
	}
	return nil
}

// Clean has nothing to delete: nothing is built for such a cluster.
func (Provider) Clean(context.Context) error { return nil }
