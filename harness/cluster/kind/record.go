package kind

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"text/template"

	"rolecall/harness/cluster"
	"rolecall/harness/cluster/internal/engine"
	"rolecall/harness/cluster/internal/labimage"
	"rolecall/harness/next"
	"rolecall/manifests"
)

// record is what a cluster was created from. Two clusters of the same record
// are alike; one of another is replaced.
type record struct {
	Engine      *engine.Engine `json:"engine"`
	NodeImage   string         `json:"nodeImage"`
	Cgroup      int            `json:"cgroup"` // the host's version
	Name        string         `json:"name"`
	Fingerprint string         `json:"fingerprint"` // of all of it; set when the cluster was complete
}

// fingerprint is over every input that shapes a cluster.
func (r record) fingerprint(scene cluster.Scene) string {
	sum := sha256.New()
	fmt.Fprintf(sum, "%q", []any{r.NodeImage, r.Name, r.Cgroup, labimage.Key(), manifests.Kind, manifests.AuditPolicy, manifests.CoreDNS, manifests.Authentication, manifests.Issuer, manifests.IssuerCertificate, scene})
	return hex.EncodeToString(sum.Sum(nil))
}

// write prepares the folder that the node shares and returns kind's
// configuration.
func (r record) write(shared string) (config []byte, err error) {
	if err := os.MkdirAll(filepath.Dir(shared), 0o700); err != nil {
		return nil, fmt.Errorf("making the cluster's folder: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(shared, "patches"), 0o755); err != nil {
		return nil, fmt.Errorf("making the cluster's folder: %w", err)
	}
	for name, text := range map[string]string{
		"audit-policy.yaml":              manifests.AuditPolicy,
		"issuer.crt":                     manifests.IssuerCertificate,
		"issuer.key":                     manifests.IssuerKey,
		"patches/corednsdeployment.yaml": manifests.CoreDNS,
	} {
		if err := os.WriteFile(filepath.Join(shared, name), []byte(text), 0o644); err != nil {
			return nil, next.Errorf("free some disk space", "writing %s for the node: %w", name, err)
		}
	}
	authentication := filepath.Join(filepath.Dir(shared), "authentication")
	if err := writeAuthentication(authentication); err != nil {
		return nil, err
	}
	var text bytes.Buffer
	err = template.Must(template.New("kind.yaml").Parse(manifests.Kind)).Execute(&text, map[string]any{
		"NodeImage": r.NodeImage, "Folder": fmt.Sprintf("%q", shared), "Authentication": fmt.Sprintf("%q", authentication), "Cgroup": r.Cgroup,
	})
	if err != nil {
		return nil, fmt.Errorf("filling in kind.yaml: %w", err)
	}
	return text.Bytes(), nil
}

// complete records that the cluster is complete.
func (c *Cluster) complete(r record) error {
	r.Fingerprint = r.fingerprint(c.Scene)
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("recording that the cluster is complete: %w", err)
	}
	return c.Complete(text)
}

// record is what is known of the cluster; zero if it was never completed.
func (c *Cluster) record() (r record) {
	text, err := c.Record()
	if err != nil || json.Unmarshal(text, &r) != nil {
		return record{}
	}
	return r
}

// current reports whether the cluster would be created alike today.
func (c *Cluster) current(r record) bool { return r.Fingerprint == r.fingerprint(c.Scene) }
