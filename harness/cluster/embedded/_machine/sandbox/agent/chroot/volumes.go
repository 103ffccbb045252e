package chroot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"rolecall.build/machine/sandbox/agent/internal/forkexec"
	"rolecall.build/machine/sandbox/agent/internal/volume"
	"rolecall.build/machine/sandbox/internal/wire"

	"golang.org/x/sys/unix"
)

// mountedVolume is in the place of a mount: a copy of a volume, or an empty one
// itself.
type mountedVolume struct {
	wire.Mount
	target string
	empty  bool
	// folder is what is mounted, or for a single file what it is in: opened before
	// the container could put anything else in its place.
	folder *os.Root
}

// setVolume notes a volume's content, and brings the copies of a container that
// runs up to date.
func (a *agent) setVolume(v wire.Volume) error {
	if err := volume.CheckName(v.Name); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.volumes[v.Name] = v
	for _, mounted := range a.mounts {
		if mounted.Volume != v.Name || mounted.SubPath != "" || v.Empty {
			continue
		}
		if err := a.rights().Replace(mounted.folder, v); err != nil {
			return fmt.Errorf("writing the volume %s: %w", v.Name, err)
		}
	}
	return nil
}

func (a *agent) mountVolumes(mounts []wire.Mount) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	slices.SortStableFunc(mounts, func(a, b wire.Mount) int { return depth(a.Path) - depth(b.Path) })
	for _, mount := range mounts {
		mounted, err := a.mount(mount)
		if err != nil {
			err = fmt.Errorf("mounting the volume %s at %s: %w", mount.Volume, mount.Path, err)
			if errors.Is(err, unix.ENOSPC) { // of the machine's disk
				return err
			}
			return forkexec.InSpec(err)
		}
		a.mounts = append(a.mounts, mounted)
	}
	return nil
}

// depth is how many names a path has.
func depth(name string) int { return strings.Count(path.Clean("/"+name), "/") }

func (a *agent) mount(mount wire.Mount) (mounted mountedVolume, err error) {
	v, known := a.volumes[mount.Volume]
	if !known {
		return mounted, errors.New("there is no such volume")
	}
	mounted = mountedVolume{Mount: mount, target: path.Clean("/" + mount.Path), empty: v.Empty}
	if resolved, err := filepath.EvalSymlinks(mounted.target); err == nil {
		mounted.target = resolved
	}
	if mounted.target == "/" {
		return mounted, errors.New("it would hide everything")
	}
	if err := os.RemoveAll(mounted.target); err != nil {
		return mounted, err
	}
	if err := os.MkdirAll(path.Dir(mounted.target), 0o755); err != nil {
		return mounted, err
	}
	switch file, isFile := v.Files[path.Clean(mount.SubPath)]; {
	case v.Empty:
		if err := a.mountEmpty(mounted, v.Mode); err != nil {
			return mounted, err
		}
	case isFile:
		if mounted.folder, err = os.OpenRoot(path.Dir(mounted.target)); err != nil {
			return mounted, err
		}
		return mounted, a.rights().WriteFile(mounted.folder, path.Base(mounted.target), file, 0)
	default:
		if err := os.MkdirAll(mounted.target, 0o755); err != nil {
			return mounted, err
		}
	}
	if mounted.folder, err = os.OpenRoot(mounted.target); err != nil || v.Empty {
		return mounted, err
	}
	if mount.SubPath != "" {
		return mounted, a.rights().WriteFiles(mounted.folder, ".", wire.Volume{Files: below(v.Files, path.Clean(mount.SubPath))})
	}
	return mounted, a.rights().Replace(mounted.folder, v)
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

// mountEmpty takes an empty volume from where the container's last run left it,
// or makes it.
func (a *agent) mountEmpty(mounted mountedVolume, mode fs.FileMode) error {
	err := unix.Renameat(a.emptyVolumes, mounted.Volume, unix.AT_FDCWD, mounted.target)
	if errors.Is(err, unix.ENOENT) {
		err = os.Mkdir(mounted.target, 0o755)
	}
	if err != nil {
		return err
	}
	if mode == 0 {
		mode = 0o777
	}
	if mounted.ReadOnly {
		mode &^= 0o222
	}
	if err := os.Lchown(mounted.target, 0, a.spec.User); err != nil {
		return err
	}
	return os.Chmod(mounted.target, permissions(mode))
}

// rights give the container's group what root may read.
func (a *agent) rights() volume.Rights {
	return func(mode fs.FileMode, _, _ int64) (int, int, fs.FileMode) { return 0, a.spec.User, permissions(mode) }
}

func permissions(mode fs.FileMode) fs.FileMode { return mode.Perm() | mode&0o500>>3 }

// readVolume returns the end of a file in a volume, where the container has it.
func (a *agent) readVolume(r wire.Read) ([]byte, error) {
	folder, name := a.find(r.Volume, r.Path)
	if folder == nil {
		return nil, fmt.Errorf("reading the volume %s: there is no such volume", r.Volume)
	}
	data, err := volume.ReadEnd(folder, name, r.Limit)
	if err != nil {
		return nil, fmt.Errorf("reading the volume %s: %w", r.Volume, err)
	}
	return data, nil
}

// find returns where a file of a volume is in the root. nil: nowhere.
func (a *agent) find(volume, file string) (folder *os.Root, name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, mounted := range a.mounts {
		switch {
		case mounted.Volume != volume:
		case mounted.SubPath == "" || mounted.empty:
			return mounted.folder, file
		case path.Clean(mounted.SubPath) == path.Clean(file):
			return mounted.folder, path.Base(mounted.target)
		}
	}
	return nil, ""
}
