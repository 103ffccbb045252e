package report

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"rolecall/harness"
)

// Write writes results.json and junit.xml into a directory, which it makes.
func Write(dir string, result *harness.Result) error {
	return WriteAs(dir, result, Formats[:1])
}

// WriteAs writes results.json and the formats named into a directory, which it
// makes. Each file appears whole or not at all, and results.json as the last
// one: where it is, the others are too.
func WriteAs(dir string, result *harness.Result, formats []Format) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("writing results: %w; name a directory that can be made with RESULTS=dir or OUT=dir", err)
	}
	for _, f := range formats {
		text, err := f.render(result)
		if err == nil {
			err = Replace(filepath.Join(dir, f.File), text)
		}
		if err != nil {
			return fmt.Errorf("writing %s: %w", f.File, err)
		}
	}
	native, err := Native(result)
	if err != nil {
		return err
	}
	return Replace(filepath.Join(dir, "results.json"), native)
}

// Native is results.json.
func Native(result *harness.Result) ([]byte, error) {
	text, err := indented(result)
	if err != nil {
		return nil, fmt.Errorf("writing results.json: %w", err)
	}
	return text, nil
}

// Replace puts a whole file in the place of an old one.
func Replace(file string, content []byte) error {
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
