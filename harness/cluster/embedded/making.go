package embedded

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"

	"rolecall/harness/cluster/labimage"
	"rolecall/harness/cluster/place"
	"rolecall/manifests"
)

// makingFile holds the fingerprint, from the moment that the cluster is
// complete.
const makingFile = "making"

// fingerprint is over every input that shapes a cluster. One of another making
// is replaced.
func fingerprint() string {
	sum := sha256.New()
	for _, part := range append(content(), labimage.Key(), manifests.AuditPolicy, manifests.Place) {
		fmt.Fprintf(sum, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// complete notes that the cluster is as it should be.
func (c *Cluster) complete() error {
	if err := os.WriteFile(filepath.Join(c.folder(), makingFile), []byte(fingerprint()), 0o600); err != nil {
		return fmt.Errorf("noting that the cluster is complete: %w; is the disk full?", err)
	}
	return nil
}

// reuse connects to a complete cluster of the same making. Otherwise it says
// why there is none to reuse.
func (c *Cluster) reuse(ctx context.Context) (stale string) {
	made, err := os.ReadFile(filepath.Join(c.folder(), makingFile))
	switch {
	case err != nil:
		return "it was never completed"
	case string(made) != fingerprint():
		return "it was made from other parts than rolecall has now"
	case !c.alive():
		return "its process has ended"
	case c.connect() != nil:
		return "its kubeconfig is gone"
	case place.Alive(ctx, c.config) != nil:
		return "its API server does not answer"
	}
	return ""
}
