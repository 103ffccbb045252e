package chroot

import (
	"fmt"
	"os"
	"path"

	"rolecall.build/machine/sandbox/agent/internal/image"
	"rolecall.build/machine/sandbox/agent/internal/rootfs"
	"rolecall.build/machine/sandbox/internal/wire"

	"golang.org/x/sys/unix"
)

// prepareRoot puts everything into the root.
func (a *agent) prepareRoot(spec wire.Run, layers *image.Layers) error {
	owner := fileOwner{host: a.spec.User, user: int(spec.User), group: int(spec.Group), readOnly: spec.ReadOnlyRoot}
	if err := layers.Extract(owner.of); err != nil {
		return fmt.Errorf("extracting the image %s: %w", spec.Image, err)
	}
	if err := makeDevices(); err != nil { // again: the image may have other things there
		return err
	}
	for _, folder := range []string{"/proc", "/sys"} {
		if err := os.MkdirAll(folder, 0o555); err != nil {
			return fmt.Errorf("making %s: %w", folder, err)
		}
	}
	if err := rootfs.WriteFiles(spec.Files); err != nil {
		return err
	}
	for name := range spec.Files {
		if err := owner.apply(path.Clean("/"+name), 0o644); err != nil {
			return err
		}
	}
	if err := owner.apply("/", 0o755); err != nil {
		return err
	}
	if err := a.mountVolumes(spec.Mounts); err != nil {
		return err
	}
	return rootfs.MakeDirectory(spec.Dir)
}

// makeDevices makes /dev with what a container needs of it, and proves that
// device nodes work here.
func makeDevices() error {
	if err := os.RemoveAll("/dev"); err != nil {
		return fmt.Errorf("making /dev: %w", err)
	}
	for _, folder := range []struct {
		name string
		mode uint32
	}{{"/dev", 0o755}, {"/dev/shm", 0o777}} {
		if err := os.MkdirAll(folder.name, 0o755); err != nil {
			return fmt.Errorf("making %s: %w", folder.name, err)
		}
		if err := unix.Chmod(folder.name, folder.mode); err != nil {
			return fmt.Errorf("making %s: %w", folder.name, err)
		}
	}
	for name, device := range map[string]uint64{
		"null": unix.Mkdev(1, 3), "zero": unix.Mkdev(1, 5), "full": unix.Mkdev(1, 7), "random": unix.Mkdev(1, 8), "urandom": unix.Mkdev(1, 9),
		"tty": unix.Mkdev(5, 0),
	} {
		if err := unix.Mknod("/dev/"+name, unix.S_IFCHR|0o666, int(device)); err != nil {
			return fmt.Errorf("making /dev/%s: %w", name, err)
		}
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return fmt.Errorf("using a device: %w", err)
	}
	return null.Close()
}
