// Package existing checks in a cluster that somebody else runs: the context
// that the user names, and no other. It works in three namespaces of its own
// and touches nothing else.
package existing

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/yaml"

	"rolecall/harness/cluster"
	"rolecall/harness/cluster/place"
)

// Cluster is one context of a kubeconfig. It gives no audit log, so checks
// that rest on one end in an error.
type Cluster struct {
	Kubeconfig string // path; empty for $KUBECONFIG or ~/.kube/config
	Context    string // never guessed: the current one may be a production cluster

	config *rest.Config
	names  cluster.Namespaces
}

// Up connects and makes the namespaces of this run.
func (c *Cluster) Up(ctx context.Context) error {
	named, err := c.named()
	if err != nil {
		return err
	}
	config, err := named.ClientConfig()
	if err != nil {
		return c.unread(err)
	}
	config.QPS, config.Burst = 50, 100 // somebody else's server
	c.config = config
	id := "rolecall-" + rand.String(8)
	c.names = cluster.Namespaces{Home: id, Elsewhere: id + "-elsewhere", Viewer: id + "-viewer"}
	if err := place.Make(ctx, config, c.names); err != nil {
		return errors.Join(err, c.Down(context.WithoutCancel(ctx)))
	}
	return nil
}

// named is the context in the kubeconfig that has it.
func (c *Cluster) named() (clientcmd.ClientConfig, error) {
	if c.Context == "" {
		return nil, errors.New("choosing a cluster: CLUSTER=existing needs the name of a context; type kubectl config get-contexts, then CONTEXT=name")
	}
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = c.Kubeconfig
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: c.Context}), nil
}

func (c *Cluster) unread(err error) error {
	return fmt.Errorf("reading the context %s: %w; type kubectl config get-contexts", c.Context, err)
}

// WriteKubeconfig writes a kubeconfig of the context alone.
func (c *Cluster) WriteKubeconfig(file string) error {
	named, err := c.named()
	if err != nil {
		return err
	}
	all, err := named.RawConfig()
	if err == nil {
		all.CurrentContext = c.Context
		err = api.MinifyConfig(&all)
	}
	if err == nil {
		err = api.FlattenConfig(&all)
	}
	if err != nil {
		return c.unread(err)
	}
	if err := clientcmd.WriteToFile(all, file); err != nil {
		return fmt.Errorf("writing a kubeconfig: %w; free some disk space", err)
	}
	return nil
}

// Config is how to reach the cluster, as the context's user.
func (c *Cluster) Config() *rest.Config { return c.config }

// Namespaces are those of this run.
func (c *Cluster) Namespaces() cluster.Namespaces { return c.names }

// Down deletes the namespaces of this run. The cluster stays.
func (c *Cluster) Down(ctx context.Context) error {
	if c.config == nil {
		return nil
	}
	return place.Remove(ctx, c.config, c.names)
}

// Logs writes the events of the run's namespaces.
func (c *Cluster) Logs(ctx context.Context, dir string) error {
	if c.config == nil {
		return errors.New("collecting logs: the cluster is not up")
	}
	client, err := kubernetes.NewForConfig(c.config)
	if err != nil {
		return fmt.Errorf("connecting to the cluster: %w", err)
	}
	for _, ns := range c.names.All() {
		events, err := client.CoreV1().Events(ns).List(ctx, metav1.ListOptions{})
		if err != nil {
			return fmt.Errorf("reading the events of %s: %w", ns, err)
		}
		text, err := yaml.Marshal(events)
		if err != nil {
			return fmt.Errorf("writing the events of %s: %w", ns, err)
		}
		if err := os.WriteFile(filepath.Join(dir, "events-"+ns+".yaml"), text, 0o644); err != nil {
			return fmt.Errorf("writing the events of %s: %w", ns, err)
		}
	}
	return nil
}
