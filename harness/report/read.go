package report

import (
	"encoding/json"
	"fmt"
	"os"

	"rolecall/harness"
)

// Read reads a results.json that is whole and of the format that we write.
func Read(file string) (*harness.Result, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading results: %w", err)
	}
	var r harness.Result
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	if r.Schema != harness.SchemaVersion || len(r.Labs) == 0 {
		return nil, fmt.Errorf("reading %s: it is not a result of the format %s", file, harness.SchemaVersion)
	}
	return &r, nil
}
