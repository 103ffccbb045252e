package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"rolecall.build/machine/sandbox/internal/wire"

	"golang.org/x/sys/unix"
)

// placed is a mount of a room's container: a copy of its volume, or an empty one itself.
type placed struct {
	wire.Mount
	target string
	empty  bool
	// folder is what is mounted, or for a single file what it is in: opened before the container could put anything else in its place.
	folder *os.Root
}

// setRoomVolume notes a volume's content, and brings the copies of a container that runs up to date.
func (p *pod) setRoomVolume(v wire.Volume) error {
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	p.room.contents[v.Name] = v
	for _, there := range p.room.placed {
		if there.Volume != v.Name || there.SubPath != "" || v.Empty {
			continue
		}
		if err := p.replaceFiles(there.folder, v); err != nil {
			return fmt.Errorf("writing the volume %s: %w", v.Name, err)
		}
	}
	return nil
}

func (p *pod) placeVolumes(mounts []wire.Mount) error {
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	slices.SortStableFunc(mounts, func(a, b wire.Mount) int { return depth(a.Path) - depth(b.Path) })
	for _, mount := range mounts {
		there, err := p.place(mount)
		if err != nil {
			return fmt.Errorf("mounting the volume %s at %s: %w", mount.Volume, mount.Path, err)
		}
		p.room.placed = append(p.room.placed, there)
	}
	return nil
}

func (p *pod) place(mount wire.Mount) (there placed, err error) {
	v, known := p.room.contents[mount.Volume]
	if !known {
		return placed{}, errors.New("there is no such volume")
	}
	there = placed{Mount: mount, target: path.Clean("/" + mount.Path), empty: v.Empty}
	if real, err := filepath.EvalSymlinks(there.target); err == nil {
		there.target = real
	}
	if there.target == "/" {
		return there, errors.New("it would hide everything")
	}
	if err := os.RemoveAll(there.target); err != nil {
		return there, err
	}
	if err := os.MkdirAll(path.Dir(there.target), 0o755); err != nil {
		return there, err
	}
	switch file, isFile := v.Files[path.Clean(mount.SubPath)]; {
	case v.Empty:
		if err := p.placeEmpty(there, v.Mode); err != nil {
			return there, err
		}
	case isFile:
		if there.folder, err = os.OpenRoot(path.Dir(there.target)); err != nil {
			return there, err
		}
		if err := writeNew(there.folder, path.Base(there.target), file.Data); err != nil {
			return there, err
		}
		return there, p.own(there.folder, path.Base(there.target), fileMode(file), 0, 0)
	default:
		if err := os.MkdirAll(there.target, 0o755); err != nil {
			return there, err
		}
	}
	if there.folder, err = os.OpenRoot(there.target); err != nil || v.Empty {
		return there, err
	}
	if mount.SubPath != "" {
		return there, p.writeFiles(there.folder, ".", wire.Volume{Files: below(v.Files, path.Clean(mount.SubPath))})
	}
	return there, p.replaceFiles(there.folder, v)
}

// below are the files of a folder.
func below(files map[string]wire.File, folder string) map[string]wire.File {
	chosen := map[string]wire.File{}
	for name, file := range files {
		if rest, ok := strings.CutPrefix(name, folder+"/"); ok {
			chosen[rest] = file
		}
	}
	return chosen
}

// placeEmpty takes an empty volume from where the container's last run left it, or makes it.
func (p *pod) placeEmpty(there placed, mode fs.FileMode) error {
	err := unix.Renameat(p.room.volumes, there.Volume, unix.AT_FDCWD, there.target)
	if errors.Is(err, unix.ENOENT) {
		err = os.Mkdir(there.target, 0o755)
	}
	if err != nil {
		return err
	}
	if mode == 0 {
		mode = 0o777
	}
	if there.ReadOnly {
		mode &^= 0o222
	}
	return p.room.own(there.target, mode)
}

// own gives the room's group what root may read.
func (r *room) own(file string, mode fs.FileMode) error {
	if err := os.Lchown(file, 0, r.User); err != nil {
		return err
	}
	return os.Chmod(file, r.mode(mode))
}

func (r *room) mode(mode fs.FileMode) fs.FileMode { return mode.Perm() | mode&0o500>>3 }

// find returns where a file of a volume is in the room. nil: nowhere.
func (r *room) find(volume, file string) (folder *os.Root, name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, there := range r.placed {
		switch {
		case there.Volume != volume:
		case there.SubPath == "" || there.empty:
			return there.folder, file
		case path.Clean(there.SubPath) == path.Clean(file):
			return there.folder, path.Base(there.target)
		}
	}
	return nil, ""
}
