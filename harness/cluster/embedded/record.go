package embedded

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sync"

	"rolecall/harness/cluster/internal/labimage"
	"rolecall/harness/cluster/internal/scene"
	"rolecall/manifests"
)

// fingerprint is over every input that shapes a cluster. It is the cluster's
// record: one with another is replaced.
func (c *Cluster) fingerprint() string {
	sum := sha256.New()
	fmt.Fprintf(sum, "%q", []any{sourcesSum(), labimage.Key(), manifests.AuditPolicy, manifests.Authentication, manifests.Issuer, manifests.IssuerCertificate, c.Scene})
	return hex.EncodeToString(sum.Sum(nil))
}

// sourcesSum is a digest of the machine's sources: the length of each name and
// text goes before it, so that no two sets of files are one sequence of bytes.
var sourcesSum = sync.OnceValue(func() []byte {
	sum := sha256.New()
	for _, part := range content() {
		fmt.Fprintf(sum, "%d %s", len(part), part)
	}
	return sum.Sum(nil)
})

// unusable connects to a complete cluster that was created from the same. It
// returns why there is none, or "".
func (c *Cluster) unusable(ctx context.Context) string {
	record, err := c.Record()
	switch {
	case err != nil:
		return "it was never completed"
	case string(record) != c.fingerprint():
		return "it was created by another version of rolecall"
	case !c.alive():
		return "its process has ended"
	case c.Connect() != nil:
		return "its kubeconfig is gone"
	case scene.Alive(ctx, c.Config()) != nil:
		return "its API server does not answer"
	}
	return ""
}
