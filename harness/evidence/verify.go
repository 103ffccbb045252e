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
	"rolecall/harness/next"
)

// Verified is what a bundle proves.
type Verified struct {
	Manifest Manifest
	Result   harness.Result
	Requests int // that verdicts cite, each found in the audit log as cited
	Pods     int
}

// Verify compares the results in a directory with the evidence below it: the
// signature, every digest, the sums of points, and each request that a verdict
// cites with the audit event that it was taken from. labs are those that were
// graded, as they are now.
func Verify(out string, key *Key, labs []harness.Lab) (Verified, error) {
	dir := filepath.Join(out, "evidence")
	var v Verified
	if err := v.signature(dir, key); err != nil {
		return v, err
	}
	if err := v.digests(dir); err != nil {
		return v, err
	}
	if err := v.results(out, dir, labs); err != nil {
		return v, err
	}
	return v, v.citations(dir)
}

func (v *Verified) signature(dir string, key *Key) error {
	text, err := os.ReadFile(filepath.Join(dir, manifestFile))
	if err != nil {
		return next.Errorf("name a directory that make grade wrote with OUT=dir", "reading the evidence: %w", err)
	}
	signature, err := os.ReadFile(filepath.Join(dir, signatureFile))
	if err != nil {
		return next.Errorf("grade the submission again", "reading the evidence: %w", err)
	}
	damaged := json.Unmarshal(text, &v.Manifest)
	switch {
	case ed25519.Verify(key.public, text, signature):
		return damaged
	case damaged == nil && v.Manifest.Key != key.ID():
		return next.Errorf("name the right one with KEY=file", "verifying the signature: it is by the key %s, and this is %s", check.Printable(v.Manifest.Key, 80), key.ID())
	}
	return fmt.Errorf("verifying the signature: it does not match; %s was changed after grading", manifestFile)
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

// results compares results.json with the signed copy, and its points with its
// outcomes.
func (v *Verified) results(out, dir string, labs []harness.Lab) error {
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
	derived.Labs = nil
	for _, lab := range v.Result.Labs {
		derived.Labs = append(derived.Labs, addedUp(lab))
	}
	derived.Sum()
	derived.DurationMs = v.Result.DurationMs
	if !reflect.DeepEqual(derived, v.Result) {
		return errors.New("adding up: the points do not follow from the outcomes")
	}
	return v.checks(labs)
}

// addedUp is a lab's result with the points that follow from its outcomes.
func addedUp(lab harness.LabResult) harness.LabResult {
	checks := slices.Clone(lab.Checks)
	for i := range checks {
		if checks[i].Points = 0; checks[i].Outcome == harness.Pass {
			checks[i].Points = checks[i].MaxPoints
		}
	}
	sums := harness.NewLabResult(harness.Lab{}, checks, 0)
	lab.Checks, lab.Outcome, lab.Points, lab.MaxPoints = checks, sums.Outcome, sums.Points, sums.MaxPoints
	return lab
}

// checks compares the list of checks with the one that there is now.
func (v *Verified) checks(labs []harness.Lab) error {
	differs := func(format string, args ...any) error {
		return next.Errorf("verify with rolecall "+check.Printable(v.Manifest.Version, 80)+" and the LABS= that were graded", "comparing the checks: "+format, args...)
	}
	worth := map[string]int{}
	for _, lab := range labs {
		for _, c := range lab.Checks {
			worth[c.ID] = c.Points
		}
	}
	for _, lab := range v.Result.Labs {
		for _, c := range lab.Checks {
			switch points, known := worth[c.ID]; {
			case !known:
				return differs("%s is not one of them", check.Printable(c.ID, 80))
			case points != c.MaxPoints:
				return differs("%s was worth %d points", check.Printable(c.ID, 80), c.MaxPoints)
			}
			delete(worth, c.ID)
		}
	}
	if len(worth) > 0 {
		return differs("%d are missing", len(worth))
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
	for _, lab := range v.Result.Labs {
		for _, deed := range lab.Deeds {
			if event, found := seen[deed.AuditID]; !found || !reflect.DeepEqual(event, deed.Request) {
				return fmt.Errorf("comparing what rolecall did in %s with the audit events: the request %s is not among them as it is cited", lab.Heading(), check.Printable(deed.AuditID, 80))
			}
		}
		for _, c := range lab.Checks {
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
