package report

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"rolecall/harness"
)

// Write writes results.json and junit.xml into a directory, which it makes.
// Each file appears whole or not at all.
func Write(dir string, result *harness.Result) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("writing results: %w; name a directory that can be made with RESULTS=dir", err)
	}
	native, err := json.MarshalIndent(result, "", "  ")
	if err != nil {
		return fmt.Errorf("writing results.json: %w", err)
	}
	junit, err := xml.MarshalIndent(JUnit(result), "", "  ")
	if err != nil {
		return fmt.Errorf("writing junit.xml: %w", err)
	}
	return errors.Join(
		replace(filepath.Join(dir, "results.json"), append(native, '\n')),
		replace(filepath.Join(dir, "junit.xml"), append([]byte(xml.Header), append(junit, '\n')...)),
	)
}

// replace puts a whole file in the place of an old one.
func replace(file string, content []byte) error {
	temp, err := os.CreateTemp(filepath.Dir(file), ".rolecall-")
	if err != nil {
		return fmt.Errorf("writing %s: %w", file, err)
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(content)
	err = errors.Join(err, temp.Chmod(0o644), temp.Sync(), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), file)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w; is the disk full?", file, err)
	}
	return nil
}
