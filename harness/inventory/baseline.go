package inventory

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2/maybe"
	"k8s.io/client-go/rest"

	"rolecall/harness/next"
)

const baselineFile = "baseline.json"

// Baseline reads what SaveBaseline wrote into a cluster's folder.
func Baseline(folder string) ([]Object, error) {
	text, err := os.ReadFile(filepath.Join(folder, baselineFile))
	var objects []Object
	if err == nil {
		err = json.Unmarshal(text, &objects)
	}
	if err != nil {
		return nil, next.Errorf("make down, then make up", "reading what the cluster held when it was new: %w", err)
	}
	return objects, nil
}

// SaveBaseline writes down in a cluster's folder what the cluster holds now,
// when it is new.
func SaveBaseline(ctx context.Context, config *rest.Config, folder string) error {
	objects, err := Take(ctx, config)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(objects.Sorted(), "", "  ")
	if err == nil {
		err = maybe.WriteFile(filepath.Join(folder, baselineFile), text, 0o600)
	}
	if err != nil {
		return next.Errorf("free some disk space", "recording what the new cluster holds: %w", err)
	}
	return nil
}
