// Package volume writes the files of volumes, in the layout that a kubelet
// gives them.
package volume

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"rolecall.build/machine/sandbox/internal/wire"

	"golang.org/x/sys/unix"
)

// Rights say whose a file or a folder of a volume is, and what others may do
// with it. mode is as the request has it, with fs.ModeDir for a folder. A uid
// or gid of -1 stays as it is.
type Rights func(mode fs.FileMode, user, group int64) (uid, gid int, permissions fs.FileMode)

// CheckName refuses what is no name of a volume.
func CheckName(name string) error {
	if name == "" || name != filepath.Base(name) || name == ".." || name == "." {
		return fmt.Errorf("making the volume %q: not a name", name)
	}
	return nil
}

// Apply gives a file or folder its owner and mode.
func (r Rights) Apply(volume *os.Root, name string, mode fs.FileMode, user, group int64) error {
	made, err := volume.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer made.Close()
	uid, gid, permissions := r(mode, user, group)
	if uid >= 0 || gid >= 0 {
		if err := made.Chown(uid, gid); err != nil {
			return err
		}
	}
	return made.Chmod(permissions)
}

// Replace changes all files at once, in the layout of the kubelet's volumes
// (pkg/volume/util/atomic_writer.go): a version of the files is in a folder
// named for the time, ..data links to it, and what is visible links through
// ..data. One rename replaces everything. The kubelet removes the previous
// version at once, under the hands of whoever has just followed ..data; here it
// stays until the next update.
func (r Rights) Replace(volume *os.Root, v wire.Volume) error {
	current, err := volume.Readlink("..data")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := removeVersions(volume, current); err != nil {
		return err
	}
	fresh := time.Now().UTC().Format("..2006_01_02_15_04_05.000000000")
	if err := volume.Mkdir(fresh, 0o700); err != nil {
		return err
	}
	if err := r.WriteFiles(volume, fresh, v); err != nil {
		return errors.Join(err, volume.RemoveAll(fresh))
	}
	if err := volume.Symlink(fresh, "..data_tmp"); err != nil {
		return err
	}
	if err := volume.Rename("..data_tmp", "..data"); err != nil {
		return err
	}
	return link(volume, fresh)
}

// removeVersions leaves the current version only: it removes the one before,
// and what an update that did not come to its end has left.
func removeVersions(volume *os.Root, current string) error {
	entries, err := list(volume, ".")
	if err != nil {
		return err
	}
	for _, name := range entries {
		if !strings.HasPrefix(name, "..") || name == "..data" || name == current {
			continue
		}
		if err := volume.RemoveAll(name); err != nil {
			return err
		}
	}
	return nil
}

// WriteFiles writes files into a folder that is there.
func (r Rights) WriteFiles(volume *os.Root, fresh string, v wire.Volume) error {
	if err := r.Apply(volume, fresh, 0o755|fs.ModeDir, 0, v.Group); err != nil {
		return err
	}
	for name, file := range v.Files {
		if !filepath.IsLocal(name) || path.Clean(name) != name || name == "." || strings.HasPrefix(name, "..") {
			return fmt.Errorf("%q is not a path in a volume", name)
		}
		for i := range name {
			if name[i] != '/' {
				continue
			}
			if err := volume.MkdirAll(path.Join(fresh, name[:i]), 0o755); err != nil {
				return err
			}
			if err := r.Apply(volume, path.Join(fresh, name[:i]), 0o755|fs.ModeDir, 0, v.Group); err != nil {
				return err
			}
		}
		if err := r.WriteFile(volume, path.Join(fresh, name), file, v.Group); err != nil {
			return err
		}
	}
	return nil
}

// WriteFile writes a file that is not there yet.
func (r Rights) WriteFile(volume *os.Root, name string, content wire.File, group int64) error {
	file, err := volume.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(content.Data)
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	mode := content.Mode.Perm()
	if mode == 0 {
		mode = 0o644
	}
	return r.Apply(volume, name, mode, content.User, group)
}

// link makes a visible link for each entry of the fresh folder and removes
// those of entries that are gone.
func link(volume *os.Root, fresh string) error {
	entries, err := list(volume, fresh)
	if err != nil {
		return err
	}
	wanted := map[string]bool{}
	for _, name := range entries {
		wanted[name] = true
		if err := volume.Symlink("..data/"+name, name); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	visible, err := list(volume, ".")
	if err != nil {
		return err
	}
	for _, name := range visible {
		if strings.HasPrefix(name, "..") || wanted[name] {
			continue
		}
		if err := volume.RemoveAll(name); err != nil {
			return err
		}
	}
	return nil
}

// list returns the names in a folder of a volume.
func list(volume *os.Root, folder string) ([]string, error) {
	opened, err := volume.Open(folder)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	return opened.Readdirnames(-1)
}

// ReadEnd returns the last limit bytes of a regular file in a volume, whatever
// a container put there.
func ReadEnd(volume *os.Root, name string, limit int64) ([]byte, error) {
	file, err := volume.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	about, err := file.Stat()
	if err != nil || !about.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file", name)
	}
	start := max(0, about.Size()-limit)
	return io.ReadAll(io.NewSectionReader(file, start, limit))
}
