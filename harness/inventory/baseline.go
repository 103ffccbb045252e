package inventory

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/client-go/rest"
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
		return nil, fmt.Errorf("reading what the cluster held when it was new: %w; type make down, then make up", err)
	}
	return objects, nil
}

// SaveBaseline notes in a cluster's folder what the cluster holds now, when it
// is new.
func SaveBaseline(ctx context.Context, config *rest.Config, folder string) error {
	objects, err := Take(ctx, config)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(objects.Sorted(), "", "  ")
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, baselineFile), text, 0o600)
	}
	if err != nil {
		return fmt.Errorf("noting what the new cluster holds: %w; is the disk full?", err)
	}
	return nil
}
