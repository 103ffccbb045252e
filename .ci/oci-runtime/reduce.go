package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// reduceFile takes what bounding does not allow out of the file. A file that is
// not there is left to runc, which has its own words for that.
func reduceFile(path string, kind specKind, bounding capSet) error {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the container's configuration: %w", err)
	}
	reduced, err := reduce(data, kind, bounding)
	if err != nil {
		return fmt.Errorf("reducing %s: %w", path, err)
	}
	if bytes.Equal(reduced, data) {
		return nil
	}
	// The file exists, so its mode stays as it is.
	if err := os.WriteFile(path, reduced, 0o600); err != nil {
		return fmt.Errorf("writing the container's configuration: %w", err)
	}
	return nil
}

// reduce works on the JSON as it comes, without a type for it, so that fields
// that this program never heard of reach runc untouched.
func reduce(data []byte, kind specKind, bounding capSet) ([]byte, error) {
	var spec map[string]any
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber() // limits and device numbers may exceed what a float holds
	if err := decoder.Decode(&spec); err != nil {
		return nil, err
	}

	process := spec
	if kind == bundleSpec {
		process, _ = spec["process"].(map[string]any)
	}
	if !reduceProcess(process, bounding) {
		return data, nil
	}
	return json.Marshal(spec)
}

// reduceProcess says whether it took anything out.
func reduceProcess(process map[string]any, bounding capSet) bool {
	changed := false
	if sets, ok := process["capabilities"].(map[string]any); ok {
		for name, value := range sets {
			asked, _ := value.([]any)
			granted := make([]any, 0, len(asked))
			for _, c := range asked {
				if bounding.allows(c) {
					granted = append(granted, c)
				}
			}
			if len(granted) < len(asked) {
				sets[name] = granted
				changed = true
			}
		}
	}

	// Lowering oom_score_adj and raising a hard limit both need this capability;
	// a container does as well with what it inherits.
	if !bounding.allows("CAP_SYS_RESOURCE") {
		for _, field := range []string{"oomScoreAdj", "rlimits"} {
			if _, ok := process[field]; ok {
				delete(process, field)
				changed = true
			}
		}
	}
	return changed
}
