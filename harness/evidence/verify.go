package evidence

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"

	"rolecall/harness"
	"rolecall/harness/check"
)

// Verified is what a bundle proves.
type Verified struct {
	Manifest Manifest
	Result   harness.Result
	Requests int // that verdicts cite, each found in the audit log as cited
	Pods     int
}

// Verify holds the results in a directory to the evidence below it: the
// signature, every digest, the sums of points, and each request that a verdict
// cites to the audit event that it was taken from. steps are the checks as
// they are now.
func Verify(out string, key *Key, steps []harness.Step) (Verified, error) {
	dir := filepath.Join(out, "evidence")
	var v Verified
	if err := v.signature(dir, key); err != nil {
		return v, err
	}
	if err := v.digests(dir); err != nil {
		return v, err
	}
	if err := v.results(out, dir, steps); err != nil {
		return v, err
	}
	return v, v.citations(dir)
}

func (v *Verified) signature(dir string, key *Key) error {
	text, err := os.ReadFile(filepath.Join(dir, manifestFile))
	if err != nil {
		return fmt.Errorf("reading the evidence: %w; name a directory that make grade wrote with OUT=dir", err)
	}
	signature, err := os.ReadFile(filepath.Join(dir, signatureFile))
	if err != nil {
		return fmt.Errorf("reading the evidence: %w; grade the submission again", err)
	}
	damaged := json.Unmarshal(text, &v.Manifest)
	switch {
	case ed25519.Verify(key.public, text, signature):
		return damaged
	case damaged == nil && v.Manifest.Key != key.ID():
		return fmt.Errorf("verifying the signature: it is by the key %s, and this is %s; name the right one with KEY=file", check.Printable(v.Manifest.Key, 80), key.ID())
	}
	return fmt.Errorf("verifying the signature: it does not fit; %s was changed after grading", manifestFile)
}

func (v *Verified) digests(dir string) error {
	if v.Manifest.Schema != schema {
		return fmt.Errorf("reading the evidence: its format is %s, and this rolecall reads %s", check.Printable(v.Manifest.Schema, 80), schema)
	}
	for _, name := range signed {
		switch is, err := digest(filepath.Join(dir, name)); {
		case err != nil:
			return fmt.Errorf("reading the evidence: %w", err)
		case is != v.Manifest.Files[name]:
			return fmt.Errorf("verifying the digests: %s was changed after grading", name)
		}
	}
	return nil
}

// results holds results.json to the signed copy, and its points to its outcomes.
func (v *Verified) results(out, dir string, steps []harness.Step) error {
	kept, err := os.ReadFile(filepath.Join(dir, resultsFile))
	if err != nil {
		return fmt.Errorf("reading the evidence: %w", err)
	}
	shown, err := os.ReadFile(filepath.Join(out, resultsFile))
	if err != nil {
		return fmt.Errorf("reading the results: %w", err)
	}
	if !slices.Equal(kept, shown) {
		return fmt.Errorf("comparing %s with the signed copy: it was changed after grading", filepath.Join(out, resultsFile))
	}
	if err := json.Unmarshal(kept, &v.Result); err != nil {
		return fmt.Errorf("reading the results: %w", err)
	}
	derived := v.Result
	derived.Steps = nil
	for _, step := range v.Result.Steps {
		checks := slices.Clone(step.Checks)
		for i := range checks {
			if checks[i].Points = 0; checks[i].Outcome == harness.Pass {
				checks[i].Points = checks[i].MaxPoints
			}
		}
		again := harness.NewStepResult(harness.Step{Slug: step.Slug, Lab: step.Lab, Title: step.Title}, checks, 0)
		again.DurationMs, again.Missing = step.DurationMs, step.Missing
		derived.Steps = append(derived.Steps, again)
	}
	derived.Sum()
	derived.DurationMs = v.Result.DurationMs
	if !reflect.DeepEqual(derived, v.Result) {
		return errors.New("adding up: the points do not follow from the outcomes")
	}
	return v.checks(steps)
}

// checks holds the list of checks to the one that there is now.
func (v *Verified) checks(steps []harness.Step) error {
	worth := map[string]int{}
	for _, step := range steps {
		for _, c := range step.Checks {
			worth[c.ID] = c.Points
		}
	}
	for _, step := range v.Result.Steps {
		for _, c := range step.Checks {
			if points, known := worth[c.ID]; !known || points != c.MaxPoints {
				return fmt.Errorf("comparing the checks: %s was worth %d points; they were graded by rolecall %s, verify them with that one", check.Printable(c.ID, 80), c.MaxPoints, check.Printable(v.Manifest.Version, 80))
			}
			delete(worth, c.ID)
		}
	}
	if len(worth) > 0 {
		return fmt.Errorf("comparing the checks: %d are missing; they were graded by rolecall %s, verify them with that one", len(worth), check.Printable(v.Manifest.Version, 80))
	}
	return nil
}

// citations finds each request that a verdict cites in the audit log, and the
// pod that made it among the pods.
func (v *Verified) citations(dir string) error {
	seen := map[string]check.Request{}
	err := eachLine(filepath.Join(dir, auditFile), func(event auditv1.Event) {
		if event.Stage != auditv1.StageRequestReceived {
			seen[string(event.AuditID)] = check.RequestOf(event)
		}
	})
	if err != nil {
		return fmt.Errorf("reading the audit events: %w", err)
	}
	pods := map[string]bool{}
	if err := eachLine(filepath.Join(dir, podsFile), func(pod corev1.Pod) { pods[string(pod.UID)] = true }); err != nil {
		return fmt.Errorf("reading the pods: %w", err)
	}
	v.Pods = len(pods)
	for _, step := range v.Result.Steps {
		for _, c := range step.Checks {
			for _, e := range c.Evidence {
				if e.Request == nil {
					continue
				}
				if event, found := seen[e.Request.AuditID]; !found || !reflect.DeepEqual(event, *e.Request) {
					return fmt.Errorf("comparing %s with the audit events: the request %s is not among them as it is cited", c.ID, e.Request.AuditID)
				}
				if uid := e.Request.PodUID; uid != "" && !pods[uid] {
					return fmt.Errorf("comparing %s with the pods: the one that made the request, %s, is not among them", c.ID, uid)
				}
				v.Requests++
			}
		}
	}
	return nil
}
