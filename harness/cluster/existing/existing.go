// Package existing checks in a cluster that somebody else runs: the context
// that the user names, and no other. It works in namespaces of its own
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
	"rolecall/harness/cluster/internal/scene"
	"rolecall/harness/next"
)

// Cluster is one context of a kubeconfig. It gives no audit log, so checks
// that need one end in an error.
type Cluster struct {
	provider Provider

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
	c.names = nil
	for i, namespace := range c.provider.Scene.Namespaces {
		name := id
		if i > 0 {
			name += "-" + namespace.Role
		}
		c.names = append(c.names, cluster.Namespace{Role: namespace.Role, Name: name})
	}
	if err := scene.Set(ctx, config, c.provider.Scene.Objects, c.names); err != nil {
		return errors.Join(err, c.Leave(context.WithoutCancel(ctx)))
	}
	return nil
}

// contexts is how to find a context.
const contexts = "kubectl config get-contexts, then choose one with CONTEXT=name"

// named is the context in the kubeconfig that has it.
func (c *Cluster) named() (clientcmd.ClientConfig, error) {
	if c.provider.Context == "" {
		return nil, next.Errorf(contexts, "choosing a cluster: CLUSTER=existing needs the name of a context")
	}
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = c.provider.Kubeconfig
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: c.provider.Context}), nil
}

func (c *Cluster) unread(err error) error {
	return next.Errorf(contexts, "reading the context %s: %w", c.provider.Context, err)
}

// WriteKubeconfig writes a kubeconfig of the context alone.
func (c *Cluster) WriteKubeconfig(_ context.Context, file string) error {
	named, err := c.named()
	if err != nil {
		return err
	}
	all, err := named.RawConfig()
	if err == nil {
		all.CurrentContext = c.provider.Context
		err = api.MinifyConfig(&all)
	}
	if err == nil {
		err = api.FlattenConfig(&all)
	}
	if err != nil {
		return c.unread(err)
	}
	if err := clientcmd.WriteToFile(all, file); err != nil {
		return next.Errorf("free some disk space", "writing a kubeconfig: %w", err)
	}
	return nil
}

// Config is how to reach the cluster, as the context's user.
func (c *Cluster) Config() *rest.Config { return c.config }

// Namespaces are those of this run.
func (c *Cluster) Namespaces() cluster.Namespaces { return c.names }

// Provider is the name of the cluster's provider.
func (c *Cluster) Provider() string { return c.provider.Name() }

// Leave deletes the namespaces of this run. The cluster stays.
func (c *Cluster) Leave(ctx context.Context) error {
	if c.config == nil {
		return nil
	}
	return scene.Remove(ctx, c.config, c.names)
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
	for _, ns := range c.names.Names() {
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
