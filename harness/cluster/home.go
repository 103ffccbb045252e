package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"rolecall/harness/next"
)

// mark is the file that says that a folder is rolecall's. Without it nothing is
// ever cleaned there: the folder may be somebody's home directory.
const mark = ".rolecall"

const marked = "This folder is rolecall's: make clean deletes what was built and downloaded here.\n"

// Home makes sure of rolecall's own folder: the one named, or else rolecall in
// the user's cache. It marks a folder that is empty, new or the default one.
func Home(named string) (string, error) {
	isDefault := named == ""
	if isDefault {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", next.Errorf("name a folder with ROLECALL_HOME=dir", "finding a folder for clusters and images: %w", err)
		}
		named = filepath.Join(cache, "rolecall")
	}
	home, err := filepath.Abs(named)
	if err == nil {
		err = os.MkdirAll(home, 0o700)
	}
	var there []os.DirEntry
	if err == nil {
		there, err = os.ReadDir(home)
	}
	if err == nil && (isDefault && !isMarked(home) || len(there) == 0) {
		err = os.WriteFile(filepath.Join(home, mark), []byte(marked), 0o600)
	}
	if err != nil {
		return "", next.Errorf("name another folder with ROLECALL_HOME=dir", "making a folder for clusters and images: %w", err)
	}
	return home, nil
}

func isMarked(home string) bool {
	info, err := os.Lstat(filepath.Join(home, mark))
	return err == nil && info.Mode().IsRegular()
}

// Folder is where a provider's cluster of that name keeps what it writes.
func Folder(home, provider, name string) string { return filepath.Join(home, provider, name) }

// Clean deletes from rolecall's folder what the providers built and downloaded,
// the folders of that name that others filled, and the locks that nobody holds.
// It deletes nothing else, nothing in a folder that is not marked as rolecall's,
// and nothing while a cluster is left.
func Clean(ctx context.Context, home string, providers []Provider, folders ...string) error {
	if !isMarked(home) {
		return next.Errorf("delete by hand what rolecall left there", "cleaning %s: rolecall did not make this folder, so it deletes nothing in it", home)
	}
	for _, p := range providers {
		clusters, err := os.ReadDir(filepath.Join(home, p.Name()))
		switch {
		case err == nil && len(clusters) > 0:
			name := clusters[0].Name()
			return next.Errorf("make down CLUSTER="+p.Name()+" NAME="+name, "cleaning %s: the %s cluster %s still uses it", home, p.Name(), name)
		case err == nil:
			folders = append(folders, p.Name())
		case !errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("looking for clusters: %w", err)
		}
	}
	var errs []error
	for _, p := range providers {
		errs = append(errs, p.Clean(ctx))
		removeFreeLocks(home, p.Name())
	}
	return errors.Join(append(errs, Delete(home, folders...))...)
}

// Delete deletes folders of those names in rolecall's folder.
func Delete(home string, folders ...string) error {
	root, err := os.OpenRoot(home) // no name leads out of it
	if err != nil {
		return fmt.Errorf("deleting what was built: %w", err)
	}
	defer root.Close()
	var errs []error
	for _, folder := range folders {
		if err := root.RemoveAll(folder); err != nil {
			errs = append(errs, fmt.Errorf("deleting what was built: %w", err))
		}
	}
	return errors.Join(errs...)
}
