package namespaces

import (
	"errors"
	"fmt"
	"os"

	"rolecall.build/machine/sandbox/agent/internal/rootfs"

	"golang.org/x/sys/unix"
)

const (
	defaultDisk = 128 << 20
	// moreFiles is how many files a container can add to its image's.
	moreFiles = 65536
)

// prepareRoot takes the calling thread into a mount namespace whose root is the
// container's. Everything in the new root is done from inside it, with the
// agent's root out of reach, so that no link of an image and no path of a spec
// leads out; what comes from outside is taken along as detached mounts.
func (p *pod) prepareRoot(c *container, img mountedImage) error {
	root, err := c.mountRoot(img)
	if err != nil {
		return err
	}
	if c.changes, err = os.Open(rootFolder); err != nil {
		return fmt.Errorf("opening the container's changes: %w", err)
	}
	var proc, common, volumes detachedMounts
	defer proc.close()
	defer common.close()
	defer volumes.close()
	if err := proc.clone(unix.AT_FDCWD, "/proc", "/proc", true, false); err != nil {
		return err
	}
	if err := common.cloneCommon(); err != nil {
		return err
	}
	if err := p.cloneVolumes(&volumes, c.spec.Mounts); err != nil {
		return err
	}
	if err := pivotRoot(root); err != nil {
		return err
	}
	if err := p.fillRoot(c, img); err != nil {
		return err
	}
	if err := c.attach(common, volumes); err != nil {
		return err
	}
	// The agent's /proc comes last, when no path is walked any more: see
	// mountProc.
	if err := proc.attach(); err != nil {
		return err
	}
	if c.spec.ReadOnlyRoot {
		return readOnly("/")
	}
	return nil
}

// attach attaches the mounts, and opens /dev/null before a volume can be
// mounted over it.
func (c *container) attach(common, volumes detachedMounts) (err error) {
	if err := common.attach(); err != nil {
		return err
	}
	if c.null, err = unix.Open("/dev/null", unix.O_PATH|unix.O_CLOEXEC, 0); err != nil {
		return fmt.Errorf("opening /dev/null: %w", err)
	}
	if err := volumes.attach(); err != nil {
		return err
	}
	return rootfs.MakeDirectory(c.spec.Dir)
}

// mountRoot makes the mount namespace and mounts the root in it: an overlay
// over the shared image, or a place for a copy.
func (c *container) mountRoot(img mountedImage) (string, error) {
	if img.folder != "" {
		return overlayFolder, overlay(img.folder, c.spec.Disk, moreFiles)
	}
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return "", fmt.Errorf("making a mount namespace: %w", err)
	}
	if err := unix.Mount("tmpfs", rootFolder, "tmpfs", 0, largest(img.layers)); err != nil {
		return "", fmt.Errorf("mounting the container's root: %w", err)
	}
	return rootFolder, nil
}

// fillRoot puts everything into the root that is no mount of something outside.
func (p *pod) fillRoot(c *container, img mountedImage) error {
	if img.folder == "" {
		if err := c.copyImage(img, p.spec.OneID); err != nil {
			return fmt.Errorf("extracting the image %s: %w", c.spec.Image, err)
		}
	}
	if err := p.devices(c); err != nil {
		return err
	}
	// Before the mounts, so that they do not land in a volume.
	return rootfs.WriteFiles(c.spec.Files)
}

// copyImage extracts the image into the root and leaves as much space as the
// spec allows.
func (c *container) copyImage(img mountedImage, oneID bool) error {
	if err := img.layers.Extract(owner(oneID)); err != nil {
		return err
	}
	var about unix.Statfs_t
	if err := unix.Statfs("/", &about); err != nil {
		return err
	}
	used, files := int64(about.Blocks-about.Bfree)*about.Bsize, about.Files-about.Ffree
	return unix.Mount("tmpfs", "/", "tmpfs", unix.MS_REMOUNT, fmt.Sprintf("size=%d,nr_inodes=%d", used+c.spec.Disk, files+moreFiles))
}

// readOnly makes a mount read-only and leaves its other flags.
func readOnly(target string) error {
	var about unix.Statfs_t
	if err := unix.Statfs(target, &about); err != nil {
		return fmt.Errorf("making %s read-only: %w", target, err)
	}
	kept := uintptr(about.Flags) & (unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC)
	if err := unix.Mount("", target, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|kept, ""); err != nil {
		return fmt.Errorf("making %s read-only: %w", target, err)
	}
	return nil
}

// devices mounts the container's /dev, with terminals of its own. The nodes are
// attached to it afterwards.
func (p *pod) devices(c *container) error {
	for _, folder := range []string{"/dev", "/proc", "/sys"} {
		if err := os.Mkdir(folder, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			return fmt.Errorf("making %s: %w", folder, err)
		}
		// A link would have other things hidden than those that mountProc means.
		if about, err := os.Lstat(folder); err != nil || !about.IsDir() {
			return fmt.Errorf("the image's %s is not a folder", folder)
		}
	}
	if err := unix.Mount("tmpfs", "/dev", "tmpfs", unix.MS_NOSUID|unix.MS_STRICTATIME, "mode=0755,size=1m,nr_inodes=1024"); err != nil {
		return fmt.Errorf("mounting /dev: %w", err)
	}
	if err := os.Mkdir("/dev/pts", 0o755); err != nil {
		return fmt.Errorf("making /dev/pts: %w", err)
	}
	options := "newinstance,ptmxmode=0666,mode=0620"
	if !p.spec.OneID {
		options += ",gid=5"
	}
	if err := unix.Mount("devpts", "/dev/pts", "devpts", unix.MS_NOSUID|unix.MS_NOEXEC, options); err != nil {
		return fmt.Errorf("mounting /dev/pts: %w", err)
	}
	for name, target := range map[string]string{
		"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
	} {
		if err := os.Symlink(target, "/dev/"+name); err != nil {
			return fmt.Errorf("making /dev/%s: %w", name, err)
		}
	}
	return nil
}
