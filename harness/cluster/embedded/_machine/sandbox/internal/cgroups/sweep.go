package cgroups

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Patterns are those of the names of all cgroups that begin with a prefix, for
// whoever must remove those of a killed node.
func Patterns(prefix string) (patterns []string) {
	places, err := Hierarchies()
	if err != nil {
		return nil // no place for cgroups: there are none
	}
	for _, place := range places {
		for _, parent := range place.folders() {
			patterns = append(patterns, filepath.Join(parent, prefix+"-*"))
		}
	}
	return patterns
}

// Sweep removes the empty cgroups that pods of killed nodes left, those whose
// names begin with the prefix. Pods that run are not touched.
func Sweep(prefix string) error {
	var failures []error
	for _, pattern := range Patterns(prefix) {
		left, err := filepath.Glob(pattern)
		failures = append(failures, err)
		for _, folder := range left {
			if err := removeLeft(folder); !errors.Is(err, unix.EBUSY) {
				failures = append(failures, err)
			}
		}
	}
	return errors.Join(failures...)
}

// removeLeft removes a pod's cgroup unless its agent runs.
func removeLeft(folder string) error {
	if content(filepath.Join(folder, agentFolder, "cgroup.procs")) != "" {
		return fmt.Errorf("%s is in use: %w", folder, unix.EBUSY)
	}
	return removeTree(folder, 0)
}

// removeTree removes a cgroup and those in it. The kernel may take a moment to
// let go of one whose processes ended.
func removeTree(folder string, patience time.Duration) error {
	deadline := time.Now().Add(patience)
	for {
		entries, err := os.ReadDir(folder)
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		for _, entry := range entries {
			if entry.IsDir() {
				if err := removeTree(filepath.Join(folder, entry.Name()), time.Until(deadline)); err != nil {
					return err
				}
			}
		}
		err = unix.Rmdir(folder)
		if err == nil || errors.Is(err, unix.ENOENT) {
			return nil
		}
		if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
			return fmt.Errorf("removing the cgroup %s: %w", folder, err)
		}
		time.Sleep(2 * time.Millisecond)
	}
}
