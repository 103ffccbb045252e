package namespaces

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// devices are the host's that a pod sees.
var devices = []string{"null", "zero", "full", "random", "urandom", "tty"}

const (
	imagesFolder  = "/images"
	volumesFolder = "/volumes"
	rootFolder    = "/container"
)

// makeRoot gives the agent a root of its own in which nothing of the host is
// left but a few devices.
func makeRoot() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making the mounts private: %w", err)
	}
	// Any folder will do as a place for it until it becomes the root, and /proc is
	// one that every machine has.
	const base = "/proc"
	if err := unix.Mount("tmpfs", base, "tmpfs", 0, "mode=0755,size=16m"); err != nil {
		return fmt.Errorf("mounting the pod's root: %w", err)
	}
	for _, folder := range []string{"/dev", "/proc", "/sys", "/shm", "/mqueue", imagesFolder, volumesFolder, rootFolder} {
		if err := os.Mkdir(base+folder, 0o755); err != nil {
			return fmt.Errorf("making the pod's root: %w", err)
		}
	}
	for _, device := range devices {
		if err := os.WriteFile(base+"/dev/"+device, nil, 0o644); err != nil {
			return fmt.Errorf("making the pod's root: %w", err)
		}
		if err := unix.Mount("/dev/"+device, base+"/dev/"+device, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mounting /dev/%s: %w", device, err)
		}
	}
	if err := kernelMounts(base); err != nil {
		return err
	}
	return pivotRoot(base)
}

// kernelMounts mounts what the containers of a pod share: proc for the agent,
// sysfs, /dev/shm and message queues.
func kernelMounts(base string) error {
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	if err := unix.Mount("proc", base+"/proc", "proc", flags, ""); err != nil {
		return fmt.Errorf("mounting /proc: %w", err)
	}
	if err := unix.Mount("shm", base+"/shm", "tmpfs", flags, "mode=1777,size=64m"); err != nil {
		return fmt.Errorf("mounting /dev/shm: %w", err)
	}
	// A machine that is a container itself may forbid these two; a pod goes
	// without then.
	for kind, folder := range map[string]string{"sysfs": "/sys", "mqueue": "/mqueue"} {
		if err := unix.Mount(kind, base+folder, kind, flags, ""); err != nil && err != unix.EPERM && err != unix.ENODEV {
			return fmt.Errorf("mounting %s: %w", folder, err)
		}
	}
	return nil
}

// pivotRoot makes a mount the root of this process, or of a thread with a mount
// namespace of its own, and lets go of the old one.
func pivotRoot(root string) error {
	if err := unix.Chdir(root); err != nil {
		return fmt.Errorf("entering a root: %w", err)
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("entering a root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leaving a root: %w", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return fmt.Errorf("entering a root: %w", err)
	}
	return nil
}
