package namespaces

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"rolecall.build/machine/sandbox/internal/wire"

	"golang.org/x/sys/unix"
)

// detachedMount is one of something outside the container's root, to be
// attached inside (open_tree(2)).
type detachedMount struct {
	file     int
	target   string
	folder   bool
	readOnly bool
}

// detachedMounts are closed together.
type detachedMounts []detachedMount

func (d *detachedMounts) clone(directory int, source, target string, folder, readOnly bool) error {
	const flags = unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC | unix.AT_EMPTY_PATH
	file, err := unix.OpenTree(directory, source, flags)
	if err != nil {
		return fmt.Errorf("cloning a mount for %s: %w", target, err)
	}
	*d = append(*d, detachedMount{file, target, folder, readOnly})
	return nil
}

func (d *detachedMounts) close() {
	for _, mount := range *d {
		unix.Close(mount.file)
	}
}

func (d *detachedMounts) attach() error {
	for _, mount := range *d {
		if err := mount.attach(); err != nil {
			return err
		}
	}
	return nil
}

// cloneCommon clones what every container has.
func (d *detachedMounts) cloneCommon() error {
	for _, device := range devices {
		if err := d.clone(unix.AT_FDCWD, "/dev/"+device, "/dev/"+device, false, false); err != nil {
			return err
		}
	}
	for source, target := range map[string]string{"/shm": "/dev/shm", "/mqueue": "/dev/mqueue", "/sys": "/sys"} {
		if err := d.clone(unix.AT_FDCWD, source, target, true, source == "/sys"); err != nil {
			return err
		}
	}
	return nil
}

// cloneVolumes clones those that a container asks for.
func (p *pod) cloneVolumes(d *detachedMounts, mounts []wire.Mount) error {
	// As containerd does: what is mounted in another mount comes after it.
	slices.SortStableFunc(mounts, func(a, b wire.Mount) int { return depth(a.Path) - depth(b.Path) })
	for _, mount := range mounts {
		source, folder, err := p.inVolume(mount)
		if err != nil {
			return fmt.Errorf("mounting the volume %s at %s: %w", mount.Volume, mount.Path, err)
		}
		err = d.clone(int(source.Fd()), "", path.Clean("/"+mount.Path), folder, mount.ReadOnly)
		source.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// depth is how many names a path has.
func depth(name string) int { return strings.Count(path.Clean("/"+name), "/") }

// inVolume opens what a mount means, which cannot lie outside the volume,
// whatever links a container made there.
func (p *pod) inVolume(mount wire.Mount) (source *os.File, folder bool, err error) {
	p.mu.Lock()
	exists := p.volumes[mount.Volume] != nil
	p.mu.Unlock()
	if !exists {
		return nil, false, errors.New("there is no such volume")
	}
	root, err := os.OpenRoot(volumesFolder + "/" + mount.Volume) // in this thread's mounts
	if err != nil {
		return nil, false, err
	}
	defer root.Close()
	subPath := "."
	if mount.SubPath != "" {
		subPath = filepath.Clean(mount.SubPath)
	}
	if _, err := root.Stat(subPath); errors.Is(err, os.ErrNotExist) {
		whole, err := root.Stat(".")
		if err != nil {
			return nil, false, err
		}
		if err := root.MkdirAll(subPath, whole.Mode().Perm()); err != nil {
			return nil, false, err
		}
	}
	source, err = root.OpenFile(subPath, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, false, err
	}
	about, err := source.Stat()
	if err != nil {
		source.Close()
		return nil, false, err
	}
	return source, about.IsDir(), nil
}

// attach mounts it, on a file or folder that is made if there is none.
func (m detachedMount) attach() error {
	if err := m.makeTarget(); err != nil {
		return fmt.Errorf("mounting %s: %w", m.target, err)
	}
	const flags = unix.MOVE_MOUNT_F_EMPTY_PATH | unix.MOVE_MOUNT_T_SYMLINKS
	if err := unix.MoveMount(m.file, "", unix.AT_FDCWD, m.target, flags); err != nil {
		return fmt.Errorf("mounting %s: %w", m.target, err)
	}
	if !m.readOnly {
		return nil
	}
	return readOnly(m.target)
}

func (m detachedMount) makeTarget() error {
	if m.folder {
		return os.MkdirAll(m.target, 0o755)
	}
	if err := os.MkdirAll(path.Dir(m.target), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(m.target, os.O_WRONLY|os.O_CREATE|unix.O_NONBLOCK, 0o644)
	if err != nil {
		return err
	}
	return file.Close()
}
