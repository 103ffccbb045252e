package namespaces

import (
	"fmt"
	"io/fs"
	"os"

	"rolecall.build/machine/sandbox/agent/internal/volume"
	"rolecall.build/machine/sandbox/internal/wire"

	"golang.org/x/sys/unix"
)

const defaultVolumeSize = 64 << 20

// setVolume makes a volume, a file system of its own with a size limit, or
// replaces the files of one that is there.
func (p *pod) setVolume(v wire.Volume) error {
	if err := volume.CheckName(v.Name); err != nil {
		return err
	}
	p.volumesChanging.Lock()
	defer p.volumesChanging.Unlock()
	p.mu.Lock()
	root := p.volumes[v.Name]
	p.mu.Unlock()
	if root == nil {
		made, err := p.makeVolume(volumesFolder+"/"+v.Name, v)
		if err != nil {
			return fmt.Errorf("making the volume %s: %w", v.Name, err)
		}
		p.mu.Lock()
		p.volumes[v.Name] = made
		p.mu.Unlock()
		root = made
	}
	if v.Empty {
		return nil
	}
	if err := p.rights().Replace(root, v); err != nil {
		return fmt.Errorf("writing the volume %s: %w", v.Name, err)
	}
	return nil
}

// makeVolume opens the new volume, too: whatever links a container makes in it,
// none leads this process out of it.
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
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, err
	}
	return root, p.rights().Apply(root, ".", v.Mode|fs.ModeDir, 0, v.Group)
}

// rights are as the kubelet's: the group of a pod's fsGroup reads files, and
// writes folders and has what is made there.
func (p *pod) rights() volume.Rights {
	return func(mode fs.FileMode, user, group int64) (int, int, fs.FileMode) {
		permissions := mode.Perm()
		switch {
		case group != 0 && mode.IsDir():
			permissions |= fs.ModeSetgid | 0o070
		case group != 0:
			permissions |= 0o040
		}
		if p.spec.OneID {
			return -1, -1, permissions
		}
		return int(user), int(group), permissions
	}
}

// readVolume returns the end of a file in a volume.
func (p *pod) readVolume(r wire.Read) ([]byte, error) {
	p.mu.Lock()
	root := p.volumes[r.Volume]
	p.mu.Unlock()
	if root == nil {
		return nil, fmt.Errorf("reading the volume %s: there is no such volume", r.Volume)
	}
	data, err := volume.ReadEnd(root, r.Path, r.Limit)
	if err != nil {
		return nil, fmt.Errorf("reading the volume %s: %w", r.Volume, err)
	}
	return data, nil
}
