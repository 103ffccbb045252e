package embedded

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2/maybe"

	"rolecall/harness/cluster/internal/owned"
	"rolecall/harness/inventory"
	"rolecall/harness/next"
	"rolecall/manifests"
)

const (
	authentication = "authentication-config.yaml" // the file that the API server reloads
	issuerCert     = "issuer.crt"                 // by which it serves issuers' documents
	issuerKey      = "issuer.key"
)

// writeAuthentication writes what a new API server is started with, and returns
// the machine's flags for it.
func (c *Cluster) writeAuthentication() (flags []string, err error) {
	path := func(name string) string { return filepath.Join(c.Folder(), name) }
	for name, text := range map[string]string{authentication: manifests.Authentication, issuerCert: manifests.IssuerCertificate, issuerKey: manifests.IssuerKey} {
		if err := os.WriteFile(path(name), []byte(text), 0o600); err != nil {
			return nil, next.Errorf("free some disk space", "writing the API server's configuration: %w", err)
		}
	}
	return []string{"-authentication-config", path(authentication), "-localhost-cert", path(issuerCert) + "," + path(issuerKey)}, nil
}

// Authenticate gives the API server a configuration.
func (c *Cluster) Authenticate(ctx context.Context, config string) error {
	return c.Cluster.Authenticate(ctx, c.reloading(), config)
}

// RestoreAuthentication gives it the one that it had when new.
func (c *Cluster) RestoreAuthentication(ctx context.Context) error {
	return c.Cluster.RestoreAuthentication(ctx, c.reloading())
}

// Loopback is where the API server reaches itself.
func (c *Cluster) Loopback() string {
	server, err := url.Parse(c.Config().Host)
	if err != nil {
		return "localhost"
	}
	return "localhost:" + server.Port()
}

// Reset brings the cluster back to what it was when new.
func (c *Cluster) Reset(ctx context.Context, tell func(inventory.Object)) error {
	return errors.Join(c.RestoreAuthentication(ctx), c.Cluster.Reset(ctx, tell))
}

func (c *Cluster) reloading() owned.Reloading {
	return owned.Reloading{
		Write: func(_ context.Context, text string) error {
			return maybe.WriteFile(filepath.Join(c.Folder(), authentication), []byte(text), 0o600)
		},
		Log: func(context.Context) (string, error) {
			text, err := os.ReadFile(filepath.Join(c.Folder(), machineLog))
			return string(text), err
		},
	}
}
