package kind

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"text/template"

	"k8s.io/client-go/rest"

	"rolecall/harness/cluster/engine"
	"rolecall/harness/cluster/labimage"
	"rolecall/harness/inventory"
	"rolecall/manifests"
)

// making is what a cluster was made from. Two clusters of the same making are
// alike; one of another making is replaced.
type making struct {
	Engine      *engine.Engine `json:"engine"`
	NodeImage   string         `json:"nodeImage"`
	Cgroup      int            `json:"cgroup"` // the host's version
	Kind        string         `json:"name"`
	Fingerprint string         `json:"fingerprint"` // of all of it; set when the cluster was complete
}

const makingFile = "making.json"

// fingerprint is over every input that shapes a cluster.
func (m making) fingerprint() string {
	sum := sha256.New()
	for _, part := range []string{m.NodeImage, m.Kind, fmt.Sprint(m.Cgroup), labimage.Key(), manifests.Kind, manifests.AuditPolicy, manifests.CoreDNS, manifests.Place} {
		fmt.Fprintf(sum, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// write prepares the folder that the node shares and returns kind's
// configuration.
func (m making) write(shared string) (config []byte, err error) {
	if err := os.MkdirAll(filepath.Dir(shared), 0o700); err != nil {
		return nil, fmt.Errorf("making the cluster's folder: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(shared, "patches"), 0o755); err != nil {
		return nil, fmt.Errorf("making the cluster's folder: %w", err)
	}
	for name, text := range map[string]string{
		"audit-policy.yaml":              manifests.AuditPolicy,
		"patches/corednsdeployment.yaml": manifests.CoreDNS,
	} {
		if err := os.WriteFile(filepath.Join(shared, name), []byte(text), 0o644); err != nil {
			return nil, fmt.Errorf("writing %s for the node: %w; is the disk full?", name, err)
		}
	}
	var text bytes.Buffer
	err = template.Must(template.New("kind.yaml").Parse(manifests.Kind)).Execute(&text, map[string]any{
		"NodeImage": m.NodeImage, "Folder": fmt.Sprintf("%q", shared), "Cgroup": m.Cgroup,
	})
	if err != nil {
		return nil, fmt.Errorf("filling in kind.yaml: %w", err)
	}
	return text.Bytes(), nil
}

// done notes that the cluster is complete, and what a clean one holds.
func (m making) done(ctx context.Context, folder string, config *rest.Config) error {
	if err := inventory.SaveBaseline(ctx, config, folder); err != nil {
		return err
	}
	m.Fingerprint = m.fingerprint()
	return writeJSON(filepath.Join(folder, makingFile), m)
}

// readMaking is what is known of a cluster; zero if it was never completed.
func readMaking(folder string) (m making) {
	text, err := os.ReadFile(filepath.Join(folder, makingFile))
	if err != nil || json.Unmarshal(text, &m) != nil {
		return making{}
	}
	return m
}

// Baseline are the objects of the cluster when it was new.
func (c *Cluster) Baseline() ([]inventory.Object, error) {
	return inventory.Baseline(c.folder())
}

// writeJSON writes a file whole or not at all.
func writeJSON(file string, value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Errorf("writing %s: %w", filepath.Base(file), err)
	}
	if err := os.WriteFile(file+".new", text, 0o600); err != nil {
		return fmt.Errorf("writing %s: %w; is the disk full?", filepath.Base(file), err)
	}
	return os.Rename(file+".new", file)
}
