package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"rolecall/harness"
)

// maxResults bounds what is read as results, in bytes: what a run writes is
// bounded, and far smaller.
const maxResults = 32 << 20

// Read reads a results.json that is whole and of the format that we write.
func Read(file string) (*harness.Result, error) {
	if info, err := os.Stat(file); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("reading %s: it is not a file", file)
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("reading results: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxResults+1))
	if err != nil {
		return nil, fmt.Errorf("reading results: %w", err)
	}
	if len(text) > maxResults {
		return nil, fmt.Errorf("reading %s: it is larger than %d MiB, and no result is", file, maxResults>>20)
	}
	var r harness.Result
	var other *json.UnmarshalTypeError
	switch err := json.Unmarshal(text, &r); {
	case errors.As(err, &other) && other.Field == "":
		return nil, fmt.Errorf("reading %s: it is not a results.json", file)
	case errors.As(err, &other):
		return nil, fmt.Errorf("reading %s: it is not a results.json: %s is a %s", file, other.Field, other.Value)
	case err != nil:
		return nil, fmt.Errorf("reading %s: it is not a results.json: %w", file, err)
	}
	switch {
	case r.Schema == "":
		return nil, fmt.Errorf("reading %s: it is not a results.json: it names no schema", file)
	case r.Schema != harness.SchemaVersion:
		return nil, fmt.Errorf("reading %s: its schema is %s, and this rolecall reads %s", file, OneLine(r.Schema, 80), harness.SchemaVersion)
	case len(r.Labs) == 0:
		return nil, fmt.Errorf("reading %s: there is no lab in it", file)
	}
	return &r, nil
}
