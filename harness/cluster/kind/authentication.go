package kind

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"rolecall/harness/cluster/internal/owned"
	"rolecall/harness/inventory"
	"rolecall/harness/next"
	"rolecall/manifests"
)

// writeAuthentication writes the file that the API server reloads as it is in a
// new cluster. The node has its folder at /etc/rolecall-authentication.
func writeAuthentication(folder string) error {
	err := os.MkdirAll(folder, 0o755)
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, "config.yaml"), []byte(manifests.Authentication), 0o644)
	}
	if err != nil {
		return next.Errorf("free some disk space", "writing the API server's configuration: %w", err)
	}
	return nil
}

// Authenticate gives the API server a configuration.
func (c *Cluster) Authenticate(ctx context.Context, config string) error {
	return c.Cluster.Authenticate(ctx, c.reloading(), config)
}

// RestoreAuthentication gives it the one that it had when new.
func (c *Cluster) RestoreAuthentication(ctx context.Context) error {
	return c.Cluster.RestoreAuthentication(ctx, c.reloading())
}

// Loopback is where the API server reaches itself, inside the node.
func (c *Cluster) Loopback() string { return "localhost:6443" }

// Reset brings the cluster back to what it was when new.
func (c *Cluster) Reset(ctx context.Context, tell func(inventory.Object)) error {
	return errors.Join(c.RestoreAuthentication(ctx), c.Cluster.Reset(ctx, tell))
}

// What is run in the node: the file is written there, because an engine in a
// virtual machine tells the API server of no change that is made outside; and the
// end of the API server's log, without what the container runtime puts before each
// line.
const (
	writeConfig = "cat >/etc/rolecall-authentication/new && mv /etc/rolecall-authentication/new /etc/rolecall-authentication/config.yaml"
	readLog     = "tail -q -c 65536 /var/log/pods/kube-system_kube-apiserver-*/kube-apiserver/*.log"
)

func (c *Cluster) reloading() owned.Reloading {
	run := func(ctx context.Context, in, script string) (string, error) {
		if err := c.detect(ctx); err != nil {
			return "", err
		}
		return c.engine.OutputFrom(ctx, strings.NewReader(in), "exec", "--interactive", c.node(), "sh", "-c", script)
	}
	return owned.Reloading{
		Write: func(ctx context.Context, text string) error { _, err := run(ctx, text, writeConfig); return err },
		Log:   func(ctx context.Context) (string, error) { return run(ctx, "", readLog) },
	}
}
