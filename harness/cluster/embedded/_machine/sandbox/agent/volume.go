package main

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

const defaultVolumeSize = 64 << 20

// setVolume makes a volume, a file system of its own with a size limit, or replaces the files of one that is there.
func (p *pod) setVolume(v wire.Volume) error {
	if v.Name == "" || v.Name != filepath.Base(v.Name) || v.Name == ".." || v.Name == "." {
		return fmt.Errorf("making the volume %q: not a name", v.Name)
	}
	if p.room != nil {
		return p.setRoomVolume(v)
	}
	p.volumesChanging.Lock()
	defer p.volumesChanging.Unlock()
	p.mu.Lock()
	volume := p.volumes[v.Name]
	p.mu.Unlock()
	if volume == nil {
		made, err := p.makeVolume(volumesFolder+"/"+v.Name, v)
		if err != nil {
			return fmt.Errorf("making the volume %s: %w", v.Name, err)
		}
		p.mu.Lock()
		p.volumes[v.Name] = made
		p.mu.Unlock()
		volume = made
	}
	if v.Empty {
		return nil
	}
	if err := p.replaceFiles(volume, v); err != nil {
		return fmt.Errorf("writing the volume %s: %w", v.Name, err)
	}
	return nil
}

// makeVolume opens the new volume, too: whatever links a container makes in it, none leads this process out of it.
func (p *pod) makeVolume(folder string, v wire.Volume) (*os.Root, error) {
	if v.SizeLimit <= 0 {
		v.SizeLimit = defaultVolumeSize
	}
	if v.Mode == 0 {
		v.Mode = 0o777
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	options := fmt.Sprintf("mode=0755,size=%d,nr_inodes=65536", v.SizeLimit)
	if err := unix.Mount("tmpfs", folder, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		return nil, err
	}
	volume, err := os.OpenRoot(folder)
	if err != nil {
		return nil, err
	}
	return volume, p.own(volume, ".", v.Mode|fs.ModeDir, 0, v.Group)
}

// own sets mode and owner as the kubelet does: the group of a pod's fsGroup reads files, and writes folders and has what is made there.
func (p *pod) own(volume *os.Root, name string, mode fs.FileMode, user, group int64) error {
	bits := mode.Perm()
	switch {
	case p.room != nil:
		user, group, bits = 0, int64(p.room.User), p.room.mode(mode)
	case group != 0 && mode.IsDir():
		bits |= fs.ModeSetgid | 0o070
	case group != 0:
		bits |= 0o040
	}
	made, err := volume.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer made.Close()
	if !p.boot.OneID {
		if err := made.Chown(int(user), int(group)); err != nil {
			return err
		}
	}
	return made.Chmod(bits)
}

// replaceFiles changes all files at once, in the layout of the kubelet's volumes (pkg/volume/util/atomic_writer.go): a version of the files is in a
// folder named for the time, ..data links to it, and what is visible links through ..data. One rename replaces everything. The kubelet removes the
// previous version at once, under the hands of whoever has just followed ..data; here it stays until the next update.
func (p *pod) replaceFiles(volume *os.Root, v wire.Volume) error {
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
	if err := p.writeFiles(volume, fresh, v); err != nil {
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

// removeVersions leaves the current version only: it removes the one before, and what an update that did not come to its end has left.
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

func (p *pod) writeFiles(volume *os.Root, fresh string, v wire.Volume) error {
	if err := p.own(volume, fresh, 0o755|fs.ModeDir, 0, v.Group); err != nil {
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
			if err := p.own(volume, path.Join(fresh, name[:i]), 0o755|fs.ModeDir, 0, v.Group); err != nil {
				return err
			}
		}
		if err := writeNew(volume, path.Join(fresh, name), file.Data); err != nil {
			return err
		}
		if err := p.own(volume, path.Join(fresh, name), fileMode(file), file.User, v.Group); err != nil {
			return err
		}
	}
	return nil
}

// writeNew writes a file that is not there yet.
func writeNew(volume *os.Root, name string, data []byte) error {
	file, err := volume.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	return errors.Join(err, file.Close())
}

func fileMode(file wire.File) fs.FileMode {
	if file.Mode == 0 {
		return 0o644
	}
	return file.Mode.Perm()
}

// link makes a visible link for each entry of the fresh folder and removes those of entries that are gone.
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

// readVolume returns the end of a regular file in a volume, whatever a container put there.
func (p *pod) readVolume(r wire.Read) ([]byte, error) {
	p.mu.Lock()
	volume, name := p.volumes[r.Volume], r.Path
	p.mu.Unlock()
	if p.room != nil {
		volume, name = p.room.find(r.Volume, r.Path)
	}
	if volume == nil {
		return nil, fmt.Errorf("reading the volume %s: there is no such volume", r.Volume)
	}
	file, err := volume.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("reading the volume %s: %w", r.Volume, err)
	}
	defer file.Close()
	about, err := file.Stat()
	if err != nil || !about.Mode().IsRegular() {
		return nil, fmt.Errorf("reading the volume %s: %s is not a file", r.Volume, r.Path)
	}
	start := max(0, about.Size()-r.Limit)
	data, err := io.ReadAll(io.NewSectionReader(file, start, r.Limit))
	if err != nil {
		return nil, fmt.Errorf("reading the volume %s: %w", r.Volume, err)
	}
	return data, nil
}
