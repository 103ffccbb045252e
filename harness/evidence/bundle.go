// Package evidence keeps what verdicts rest on, signed, so that they can be
// verified later: the API server's audit events as it wrote them, the pods as
// it admitted them, and the results, with the digests of it all.
package evidence

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"rolecall/harness"
	"rolecall/harness/next"
)

// The files of a bundle. The manifest holds the digests of the first three,
// and the signature is over the manifest's bytes.
const (
	auditFile     = "audit.jsonl.gz"
	podsFile      = "pods.jsonl.gz"
	resultsFile   = "results.json"
	manifestFile  = "manifest.json"
	signatureFile = "manifest.sig"
)

// signed are the files whose digests the manifest holds.
var signed = []string{auditFile, podsFile, resultsFile}

// Manifest says what a bundle holds and where it comes from.
type Manifest struct {
	Schema     string            `json:"schema"`
	Version    string            `json:"rolecall"`
	Go         string            `json:"go"`
	Platform   string            `json:"platform"`
	Provider   string            `json:"cluster"`
	Kubernetes string            `json:"kubernetes"`
	Submission string            `json:"submission"`
	Digest     string            `json:"submissionDigest"`
	Key        string            `json:"key"`   // the signing key's ID
	Files      map[string]string `json:"files"` // digests by name
}

// schema names the format of a bundle; docs/grading.md describes it.
const schema = "rolecall/evidence/v1"

// Bundle is evidence being gathered: a Recorder of one run.
type Bundle struct {
	dir         string
	audit, pods *lines
	watching    *podLog
}

// Create begins a bundle in a directory, which it makes or empties.
func Create(dir string) (*Bundle, error) {
	err := os.RemoveAll(dir)
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	b := &Bundle{dir: dir}
	if err == nil {
		b.audit, err = newLines(filepath.Join(dir, auditFile))
	}
	if err == nil {
		b.pods, err = newLines(filepath.Join(dir, podsFile))
	}
	if err != nil {
		return nil, next.Errorf("name a directory that can be written to with OUT=dir", "keeping evidence: %w", err)
	}
	return b, nil
}

// Audit takes the API server's audit log as it comes.
func (b *Bundle) Audit() io.Writer { return b.audit }

// Seal ends the bundle and signs it. results are the bytes of results.json.
func (b *Bundle) Seal(r *harness.Result, results []byte, key *Key) error {
	err := errors.Join(b.audit.Close(), b.pods.Close(), os.WriteFile(filepath.Join(b.dir, resultsFile), results, 0o644))
	m := Manifest{
		Schema: schema, Version: r.Version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
		Provider: r.Cluster.Provider, Kubernetes: r.Cluster.Kubernetes, Submission: r.Submission, Digest: r.Digest,
		Key: key.ID(), Files: map[string]string{},
	}
	for _, name := range signed {
		if err == nil {
			m.Files[name], err = digest(filepath.Join(b.dir, name))
		}
	}
	if err == nil {
		err = m.sign(b.dir, key)
	}
	if err != nil {
		return fmt.Errorf("sealing the evidence: %w", err)
	}
	return nil
}

func (m Manifest) sign(dir string, key *Key) error {
	if key.private == nil {
		return next.Errorf("name a private one with KEY=file", "the key is a public one")
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	return errors.Join( // a bundle is whole where a results.json is beside it
		os.WriteFile(filepath.Join(dir, manifestFile), text, 0o644),
		os.WriteFile(filepath.Join(dir, signatureFile), ed25519.Sign(key.private, text), 0o644),
	)
}

func digest(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, f)
	return "sha256:" + hex.EncodeToString(sum.Sum(nil)), err
}
