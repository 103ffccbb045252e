package report

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2/maybe"

	"rolecall/harness"
	"rolecall/harness/next"
)

// ResultsFile is where a result is written to; each format is a view of it.
const ResultsFile = "results.json"

// Write writes results.json and junit.xml into a directory, which it makes.
func Write(dir string, result *harness.Result) error {
	return WriteAs(dir, result, []Format{junitFormat})
}

// WriteAs writes results.json and some formats into a directory, which it
// makes. Each file appears whole or not at all, and results.json as the last
// one: where it is, the others are too.
func WriteAs(dir string, result *harness.Result, formats []Format) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return next.Errorf("name a directory that can be made with RESULTS=dir or OUT=dir", "writing results: %w", err)
	}
	return Complete(dir, result, append(formats[:len(formats):len(formats)], native))
}

// Complete writes formats of a result into the directory that it is in. A file
// that is as it should be stays.
func Complete(dir string, result *harness.Result, formats []Format) error {
	for _, f := range formats {
		text, err := f.render(result, f.env)
		if err != nil {
			return fmt.Errorf("writing %s: %w", f.File, err)
		}
		file := filepath.Join(dir, f.File)
		if there, err := os.ReadFile(file); err == nil && bytes.Equal(there, text) {
			continue
		}
		if err := maybe.WriteFile(file, text, 0o644); err != nil {
			return next.Errorf("free some disk space", "writing %s: %w", f.File, err)
		}
	}
	return nil
}

var native = Format{File: ResultsFile, render: func(r *harness.Result, _ func(string) string) ([]byte, error) { return Native(r) }}

// Native is the content of results.json.
func Native(result *harness.Result) ([]byte, error) { return indented(result) }
