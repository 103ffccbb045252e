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
	folder := volumesFolder + "/" + v.Name
	p.mu.Lock()
	exists := p.volumes[v.Name]
	p.mu.Unlock()
	if !exists {
		if err := p.makeVolume(folder, v); err != nil {
			return fmt.Errorf("making the volume %s: %w", v.Name, err)
		}
		p.mu.Lock()
		p.volumes[v.Name] = true
		p.mu.Unlock()
	}
	if v.Empty {
		return nil
	}
	if err := p.replaceFiles(folder, v); err != nil {
		return fmt.Errorf("writing the volume %s: %w", v.Name, err)
	}
	return nil
}

func (p *pod) makeVolume(folder string, v wire.Volume) error {
	if v.SizeLimit <= 0 {
		v.SizeLimit = defaultVolumeSize
	}
	if v.Mode == 0 {
		v.Mode = 0o777
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	options := fmt.Sprintf("mode=0755,size=%d,nr_inodes=65536", v.SizeLimit)
	if err := unix.Mount("tmpfs", folder, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		return err
	}
	return p.own(folder, v.Mode|fs.ModeDir, 0, v.Group)
}

// own sets mode and owner as the kubelet does: the group of a pod's fsGroup reads files, and writes folders and has what is made there.
func (p *pod) own(file string, mode fs.FileMode, user, group int64) error {
	if p.room != nil {
		return p.room.own(file, mode)
	}
	bits := uint32(mode & 0o7777)
	if group != 0 && mode.IsDir() {
		bits |= unix.S_ISGID | 0o070
	}
	if group != 0 && !mode.IsDir() {
		bits |= 0o040
	}
	if !p.boot.OneID {
		if err := os.Lchown(file, int(user), int(group)); err != nil {
			return err
		}
	}
	return unix.Chmod(file, bits)
}

// replaceFiles changes all files at once, in the layout of the kubelet's volumes (pkg/volume/util/atomic_writer.go): a version of the files is in a
// folder named for the time, ..data links to it, and what is visible links through ..data. One rename replaces everything. The kubelet removes the
// previous version at once, under the hands of whoever has just followed ..data; here it stays until the next update.
func (p *pod) replaceFiles(folder string, v wire.Volume) error {
	data := folder + "/..data"
	current, err := os.Readlink(data)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := removeVersions(folder, current); err != nil {
		return err
	}
	fresh, err := os.MkdirTemp(folder, time.Now().UTC().Format("..2006_01_02_15_04_05."))
	if err != nil {
		return err
	}
	if err := p.writeFiles(fresh, v); err != nil {
		return errors.Join(err, os.RemoveAll(fresh))
	}
	if err := os.Symlink(filepath.Base(fresh), folder+"/..data_tmp"); err != nil {
		return err
	}
	if err := os.Rename(folder+"/..data_tmp", data); err != nil {
		return err
	}
	return link(folder, fresh)
}

// removeVersions leaves the current version only: it removes the one before, and what an update that did not come to its end has left.
func removeVersions(folder, current string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		name := entry.Name()
		if !strings.HasPrefix(name, "..") || name == "..data" || name == current {
			continue
		}
		if err := os.RemoveAll(folder + "/" + name); err != nil {
			return err
		}
	}
	return nil
}

func (p *pod) writeFiles(fresh string, v wire.Volume) error {
	if err := p.own(fresh, 0o755|fs.ModeDir, 0, v.Group); err != nil {
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
			if err := os.MkdirAll(fresh+"/"+name[:i], 0o755); err != nil {
				return err
			}
			if err := p.own(fresh+"/"+name[:i], 0o755|fs.ModeDir, 0, v.Group); err != nil {
				return err
			}
		}
		if err := os.WriteFile(fresh+"/"+name, file.Data, 0o600); err != nil {
			return err
		}
		if err := p.own(fresh+"/"+name, fileMode(file), file.User, v.Group); err != nil {
			return err
		}
	}
	return nil
}

func fileMode(file wire.File) fs.FileMode {
	if file.Mode == 0 {
		return 0o644
	}
	return file.Mode.Perm()
}

// link makes a visible link for each entry of the fresh folder and removes those of entries that are gone.
func link(folder, fresh string) error {
	entries, err := os.ReadDir(fresh)
	if err != nil {
		return err
	}
	wanted := map[string]bool{}
	for _, entry := range entries {
		wanted[entry.Name()] = true
		if err := os.Symlink("..data/"+entry.Name(), folder+"/"+entry.Name()); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	visible, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, entry := range visible {
		if strings.HasPrefix(entry.Name(), "..") || wanted[entry.Name()] {
			continue
		}
		if err := os.RemoveAll(folder + "/" + entry.Name()); err != nil {
			return err
		}
	}
	return nil
}

// readVolume returns the end of a regular file in a volume, whatever a container put there.
func (p *pod) readVolume(r wire.Read) ([]byte, error) {
	p.mu.Lock()
	exists, folder, name := p.volumes[r.Volume], volumesFolder+"/"+r.Volume, r.Path
	p.mu.Unlock()
	if p.room != nil {
		folder, name, exists = p.room.find(r.Volume, r.Path)
	}
	if !exists {
		return nil, fmt.Errorf("reading the volume %s: there is no such volume", r.Volume)
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("reading the volume %s: %w", r.Volume, err)
	}
	defer root.Close()
	file, err := root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
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
