// Package rootfs completes a container's root, which must be the calling
// thread's.
package rootfs

import (
	"errors"
	"fmt"
	"os"
	"path"

	"rolecall.build/machine/sandbox/agent/internal/forkexec"
)

// WriteFiles writes those that a container is given, such as /etc/hosts, with
// mode 0644.
func WriteFiles(files map[string][]byte) error {
	for name, content := range files {
		target := path.Clean("/" + name)
		if err := os.MkdirAll(path.Dir(target), 0o755); err != nil {
			return fmt.Errorf("writing %s: %w", target, err)
		}
		if err := os.Remove(target); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("writing %s: %w", target, err)
		}
		if err := os.WriteFile(target, content, 0o644); err != nil {
			return fmt.Errorf("writing %s: %w", target, err)
		}
	}
	return nil
}

// MakeDirectory makes the working directory.
func MakeDirectory(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return &forkexec.StartError{Code: 128, Message: fmt.Sprintf("mkdir %s: %v", dir, err)}
	}
	return nil
}
