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

// recorded is an object as it is written down.
type recorded struct {
	Object
	Version string
}

// Baseline reads what SaveBaseline wrote into a cluster's folder.
func Baseline(folder string) ([]Object, error) {
	all, err := readBaseline(folder)
	objects := make([]Object, 0, len(all))
	for _, r := range all {
		objects = append(objects, r.Object)
	}
	return objects, err
}

// Versions are the versions that the objects of the baseline had.
func Versions(folder string) (map[Object]string, error) {
	all, err := readBaseline(folder)
	versions := map[Object]string{}
	for _, r := range all {
		versions[r.Object] = r.Version
	}
	return versions, err
}

func readBaseline(folder string) (all []recorded, err error) {
	text, err := os.ReadFile(filepath.Join(folder, baselineFile))
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil {
		return nil, next.Errorf("make down, then make up", "reading what the cluster held when it was new: %w", err)
	}
	return all, nil
}

// SaveBaseline writes down in a cluster's folder what the cluster holds now,
// when it is new.
func SaveBaseline(ctx context.Context, config *rest.Config, folder string) error {
	objects, err := Take(ctx, config)
	if err != nil {
		return err
	}
	var all []recorded
	for _, o := range objects.Sorted() {
		all = append(all, recorded{o, objects[o].Version})
	}
	text, err := json.MarshalIndent(all, "", "  ")
	if err == nil {
		err = maybe.WriteFile(filepath.Join(folder, baselineFile), text, 0o600)
	}
	if err != nil {
		return next.Errorf("free some disk space", "recording what the new cluster holds: %w", err)
	}
	return nil
}
