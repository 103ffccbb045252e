package namespaces

import (
	"errors"
	"fmt"
	"os"

	"rolecall.build/machine/sandbox/agent/internal/image"
	"rolecall.build/machine/sandbox/internal/wire"

	"golang.org/x/sys/unix"
)

// storeImage is what the runtime's store does, an agent without containers: it
// extracts an image once, and gives each pod a mount of it, so that all pods
// share one copy in memory. It gives none where a container cannot have an
// overlay over it.
func (p *pod) storeImage(store wire.Image, files []int) ([]int, error) {
	p.storing.Lock()
	defer p.storing.Unlock()
	p.mu.Lock()
	img, known := p.images[store.Ref]
	p.mu.Unlock()
	if !known {
		img = mountedImage{folder: fmt.Sprintf("%s/%d", imagesFolder, len(p.images)+1)}
		if err := p.fillStore(img.folder, store.Size, files); err != nil {
			return nil, fmt.Errorf("extracting the image %s: %w", store.Ref, err)
		}
		p.mu.Lock()
		p.images[store.Ref] = img
		p.mu.Unlock()
	}
	if _, err := onOwnThread(func() (int, error) { return -1, overlay(img.folder, defaultDisk, 0) }); err != nil {
		return nil, nil
	}
	mount, err := unix.OpenTree(unix.AT_FDCWD, img.folder, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("giving the image %s: %w", store.Ref, err)
	}
	return []int{mount}, nil
}

func (p *pod) fillStore(folder string, size int64, files []int) error {
	layers, err := image.Open(files, size)
	if err != nil {
		return err
	}
	defer layers.Close()
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", folder, "tmpfs", 0, largest(layers)); err != nil {
		return err
	}
	_, err = onOwnThread(func() (int, error) {
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			return -1, err
		}
		if err := unix.Chroot(folder); err != nil {
			return -1, err
		}
		return -1, layers.Extract(owner(p.spec.OneID))
	})
	if err != nil {
		return err
	}
	return readOnly(folder)
}

// largest are the options of a file system that holds the image, whose real
// size is known only once it is there: files take whole pages.
func largest(layers *image.Layers) string {
	return fmt.Sprintf("mode=0755,size=%d", 16*layers.Size+defaultDisk)
}

// owner is the image's own choice, or nobody in particular where there is but
// one.
func owner(oneID bool) image.Owner {
	if !oneID {
		return nil
	}
	return func(_, _ int, mode uint32) (int, int, uint32) { return -1, -1, mode }
}

// mountedImage is one that was brought to a pod.
type mountedImage struct {
	// folder is where it is mounted, read-only, for overlays; "" if containers
	// need copies, made from the layers.
	folder string
	layers *image.Layers
}

// addImage notes an image for this pod's containers.
func (p *pod) addImage(add wire.Image, files []int) (err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, known := p.images[add.Ref]; known {
		return nil
	}
	var added mountedImage
	if add.Mounted {
		added.folder = fmt.Sprintf("%s/%d", imagesFolder, len(p.images)+1)
		err = attachImage(added.folder, files)
	} else {
		added.layers, err = image.Open(files, add.Size)
	}
	if err != nil {
		return fmt.Errorf("adding the image %s: %w", add.Ref, err)
	}
	p.images[add.Ref] = added
	return nil
}

func attachImage(folder string, files []int) error {
	if len(files) != 1 {
		return fmt.Errorf("got %d mounts, not one", len(files))
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	return unix.MoveMount(files[0], "", unix.AT_FDCWD, folder, unix.MOVE_MOUNT_F_EMPTY_PATH)
}

// overlayFolder is where the root of an overlay is mounted.
const overlayFolder = rootFolder + "/root"

// overlay mounts an image on overlayFolder, in a mount namespace of the calling
// thread's own, with all changes in a file system of that size.
func overlay(image string, size int64, files uint64) error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("making a mount namespace: %w", err)
	}
	options := fmt.Sprintf("mode=0755,size=%d,nr_inodes=%d", size, files)
	if err := unix.Mount("tmpfs", rootFolder, "tmpfs", 0, options); err != nil {
		return fmt.Errorf("mounting the container's changes: %w", err)
	}
	for _, folder := range []string{"/upper", "/work", "/root"} {
		if err := os.Mkdir(rootFolder+folder, 0o755); err != nil {
			return fmt.Errorf("mounting the container's changes: %w", err)
		}
	}
	// Without attributes, before Linux 6.6, a folder of the image that was removed
	// cannot be made again.
	if err := unix.Setxattr(rootFolder+"/upper", "user.overlay", []byte("y"), 0); err != nil {
		return fmt.Errorf("mounting the container's changes: %w", err)
	}
	if err := unix.Removexattr(rootFolder+"/upper", "user.overlay"); err != nil && !errors.Is(err, unix.ENODATA) {
		return fmt.Errorf("mounting the container's changes: %w", err)
	}
	layers := fmt.Sprintf("lowerdir=%s,upperdir=%s/upper,workdir=%s/work,userxattr", image, rootFolder, rootFolder)
	if err := unix.Mount("overlay", overlayFolder, "overlay", 0, layers); err != nil {
		return fmt.Errorf("mounting the container's root: %w", err)
	}
	return nil
}
